-- What keeps the cache and the search server in step with the products.

-- Changes committed while the cache could not be told (see src/cache.rs).
CREATE TABLE cache_repairs (
    product_id uuid PRIMARY KEY,
    version    bigint NOT NULL
);

-- Products whose document in the search server is behind.
CREATE TABLE search_pending (
    product_id uuid PRIMARY KEY,
    version    bigint NOT NULL
);

-- Which settings the index in the search server was built with.
CREATE TABLE search_indexes (
    name             text PRIMARY KEY,
    settings_version integer NOT NULL,
    build_time       timestamptz NOT NULL
);

-- Who does what only one process may do, and until when.
CREATE TABLE leases (
    name        text PRIMARY KEY,
    holder      uuid NOT NULL,
    expire_time timestamptz NOT NULL
);
