-- Categories, products and how they are searched.
--
-- pg_trgm and unaccent are "trusted" extensions: a role that may CREATE in the
-- database can make them. Where the platform forbids even that, its team has
-- to create both before the first start; IF NOT EXISTS then finds them.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;

-- How a text is compared: lower case, without accents, ASCII punctuation and
-- blanks folded to one space. The two-argument unaccent names its dictionary,
-- so the result depends on nothing else and the function may be IMMUTABLE.
CREATE FUNCTION catalog_plain(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN btrim(regexp_replace(
    lower(public.unaccent('public.unaccent'::regdictionary, value)),
    '[][!-/:-@\\^_`{-~[:space:][:cntrl:]]+', ' ', 'g'));

-- Words as they are written, for exact and prefix matches …
CREATE TEXT SEARCH CONFIGURATION catalog_word (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION catalog_word
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, simple;
-- … and their English stems: "packs" finds "pack".
CREATE TEXT SEARCH CONFIGURATION catalog_stem (COPY = english);
ALTER TEXT SEARCH CONFIGURATION catalog_stem
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, english_stem;

CREATE TABLE categories (
    id          text COLLATE "C" PRIMARY KEY,
    title       text NOT NULL,
    parent_id   text COLLATE "C" REFERENCES categories (id),
    -- The ids from the root down, each followed by a slash: a subtree is a
    -- prefix, and parents sort before their children.
    path        text COLLATE "C" NOT NULL UNIQUE,
    create_time timestamptz NOT NULL
);

CREATE TABLE products (
    id          uuid PRIMARY KEY,
    sku         text NOT NULL CONSTRAINT products_sku_key UNIQUE,
    title       text NOT NULL,
    description text NOT NULL,
    category_id text COLLATE "C" NOT NULL REFERENCES categories (id),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    attributes  jsonb NOT NULL CHECK (jsonb_typeof(attributes) = 'object'),
    images      text[] NOT NULL,
    -- What can be filtered and counted: "name<unit separator>value".
    facet_terms text[] NOT NULL,
    -- Kept with the row of `stock`, in one transaction: available > 0.
    in_stock    boolean NOT NULL,
    -- Grows with each change; the etag, and what the cache compares.
    version     bigint NOT NULL CHECK (version > 0),
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    title_plain text NOT NULL GENERATED ALWAYS AS (catalog_plain(title)) STORED,
    search      tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('catalog_word', catalog_plain(title)), 'A')
        || setweight(to_tsvector('catalog_stem', catalog_plain(title)), 'A')
        || setweight(to_tsvector('catalog_word',
               CASE WHEN sku = id::text THEN '' ELSE catalog_plain(sku) END), 'B')
        || setweight(to_tsvector('catalog_word', catalog_plain(category_id)), 'C')
        || setweight(jsonb_to_tsvector('catalog_word', attributes, '["string"]'), 'C')
        || setweight(to_tsvector('catalog_stem', catalog_plain(description)), 'D')
    ) STORED
);

CREATE INDEX products_newest ON products (create_time DESC, id DESC);
CREATE INDEX products_newest_of_category ON products (category_id, create_time DESC, id DESC);
-- A short pending list: writes stay quick, and a search never reads a long one.
CREATE INDEX products_search ON products USING gin (search)
    WITH (gin_pending_list_limit = 256);
CREATE INDEX products_title_trigrams ON products USING gin (title_plain gin_trgm_ops)
    WITH (gin_pending_list_limit = 256);
CREATE INDEX products_facet_terms ON products USING gin (facet_terms)
    WITH (gin_pending_list_limit = 256);

-- The answers given to CreateProduct, by the caller's request id.
CREATE TABLE request_ids (
    request_id  uuid PRIMARY KEY,
    body_hash   bytea NOT NULL,
    answer      jsonb NOT NULL,
    create_time timestamptz NOT NULL
);
