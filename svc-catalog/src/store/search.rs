//! The look-ups of [`crate::search::PostgresEngine`], in one transaction each
//! time, so that they see one state and share their settings.

use serde_json::Value;
use sqlx::{PgConnection, Postgres};
use svc_kit::{db::Db, error::StoreError};
use uuid::Uuid;

/// A transaction that only reads.
pub type Transaction = sqlx::Transaction<'static, Postgres>;

/// How similar to a word of a title another must be (pg_trgm's
/// `word_similarity`): "jaket" is to "jacket" by 0.44.
const SIMILARITY: &str = "0.4";

/// The most similar words that are looked at.
const MAX_SIMILAR: i64 = 50;

/// The most terms that are counted.
const MAX_TERMS: i64 = 500;

/// The most words of a query that are looked at, stop words included.
const MAX_WORDS: i64 = 20;

/// Matches whose titles are compared with the query. That is slow, and only
/// decides among those whose words stand in the best places.
const MAX_COMPARED: i64 = 500;

/// A word of a query.
#[derive(Debug, Clone)]
pub struct Word {
    /// Folded, as titles are.
    pub text: String,
    /// Says nothing: "the".
    pub stop: bool,
    /// Some product has it.
    pub known: bool,
    /// Matches it, its beginnings and its other endings; may be empty.
    pub tsquery: String,
}

/// What to match.
#[derive(Debug)]
pub struct Criteria<'a> {
    /// `None` matches all.
    pub tsquery: Option<&'a str>,
    /// The words, for similarity with titles.
    pub plain: Option<&'a str>,
    /// With its subtree.
    pub category_id: Option<&'a str>,
    /// Of the bounds.
    pub currency: Option<&'a str>,
    /// At least.
    pub min_minor: Option<i64>,
    /// At most.
    pub max_minor: Option<i64>,
    /// Only what can be ordered.
    pub in_stock_only: bool,
    /// Terms of all attributes that are filtered by.
    pub terms: Vec<String>,
    /// How many different attributes these are.
    pub names: usize,
    /// "relevance", "price_asc", "price_desc", "newest".
    pub sort: &'a str,
    /// Results to skip.
    pub offset: i64,
    /// Results to answer.
    pub limit: i64,
}

/// What matched.
#[derive(Debug)]
pub struct Matches {
    /// The page.
    pub ids: Vec<Uuid>,
    /// All, up to the limit of results.
    pub total: u32,
    /// Categories with their counts.
    pub categories: Vec<(String, u32)>,
    /// Terms with their counts.
    pub terms: Vec<(String, u32)>,
}

/// Begins; `by_words` when the indexes on words will be used.
pub async fn begin(db: &Db, by_words: bool) -> Result<Transaction, StoreError> {
    let mut tx = db.reader().begin().await?;
    // A plan for each question: half of the conditions are usually absent. The
    // planner cannot estimate text searches that it learns only when it runs,
    // and must not fall back to reading everything for a word that is nowhere.
    sqlx::query!(
        "SELECT set_config('pg_trgm.word_similarity_threshold', $1, true) AS a,
                set_config('plan_cache_mode', 'force_custom_plan', true) AS b,
                set_config('enable_seqscan', $2, true) AS c,
                set_config('jit', 'off', true) AS d,
                set_config('client_min_messages', 'warning', true) AS e",
        SIMILARITY,
        if by_words { "off" } else { "on" },
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(tx)
}

/// The words of a text, in order. A single letter stands for itself, unless it
/// is all there is: as a beginning it would match almost everything.
pub async fn words(tx: &mut PgConnection, text: &str) -> Result<Vec<Word>, StoreError> {
    Ok(sqlx::query_as!(
        Word,
        r#"WITH split AS (
               SELECT word, position, count(*) OVER () = 1 OR length(word) > 1 AS begins
               FROM regexp_split_to_table(catalog_plain($1), ' ')
                    WITH ORDINALITY AS split (word, position)
               WHERE word <> '' ORDER BY position LIMIT $2),
           folded AS (
               SELECT word, position, numnode(plainto_tsquery('catalog_stem', word)) = 0 AS stop,
                      to_tsquery('catalog_word',
                          '''' || word || CASE WHEN begins THEN ''':*' ELSE '''' END)
                      || plainto_tsquery('catalog_stem', word) AS tsquery
               FROM split)
           SELECT word AS "text!", stop AS "stop!", tsquery::text AS "tsquery!",
                  EXISTS (SELECT 1 FROM products WHERE search @@ tsquery) AS "known!"
           FROM folded ORDER BY position"#,
        text,
        MAX_WORDS,
    )
    .fetch_all(tx)
    .await?)
}

/// Words of titles that resemble one, most similar first.
pub async fn similar_words(tx: &mut PgConnection, word: &str) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT word AS "word!"
           FROM products, UNNEST(string_to_array(title_plain, ' ')) AS split (word)
           WHERE $1::text <% title_plain AND word_similarity($1, word) >= $2::text::real
           GROUP BY word
           ORDER BY similarity(word, $1) DESC, word
           LIMIT $3"#,
        word,
        SIMILARITY,
        MAX_SIMILAR,
    )
    .fetch_all(tx)
    .await?)
}

/// Each query of the list is harder to match than the one before it: how many
/// of them have a match.
pub async fn longest_match(
    tx: &mut PgConnection,
    tsqueries: &[String],
) -> Result<usize, StoreError> {
    let longest = sqlx::query_scalar!(
        r#"SELECT COALESCE(max(position), 0) AS "longest!"
           FROM UNNEST($1::text[]) WITH ORDINALITY AS wanted (tsquery, position)
           WHERE EXISTS (SELECT 1 FROM products WHERE search @@ tsquery::tsquery)"#,
        tsqueries,
    )
    .fetch_one(tx)
    .await?;
    Ok(usize::try_from(longest).unwrap_or_default())
}

/// All that matches: a page of it, and how it spreads.
pub async fn matches(
    tx: &mut PgConnection,
    criteria: &Criteria<'_>,
) -> Result<Matches, StoreError> {
    let row = sqlx::query!(
        r#"WITH matched AS MATERIALIZED (
               SELECT id, category_id, facet_terms, price_minor, create_time, title_plain,
                      CASE WHEN $1::text IS NULL OR $10 <> 'relevance' THEN 0
                           ELSE ts_rank('{0.05, 0.2, 0.4, 1.0}', search, $1::text::tsquery) END AS rank
               FROM products
               WHERE ($1::text IS NULL OR search @@ $1::text::tsquery)
                 AND ($3::text IS NULL OR category_id IN (
                         SELECT below.id FROM categories AS top
                         JOIN categories AS below ON starts_with(below.path, top.path)
                         WHERE top.id = $3))
                 AND ($4::text IS NULL OR currency = $4)
                 AND ($5::bigint IS NULL OR price_minor >= $5)
                 AND ($6::bigint IS NULL OR price_minor <= $6)
                 AND (NOT $7 OR in_stock)
                 AND ($9::bigint = 0 OR (
                         facet_terms && $8
                         AND (SELECT count(DISTINCT split_part(term, E'\x1f', 1))
                              FROM UNNEST(facet_terms) AS terms (term)
                              WHERE term = ANY($8)) = $9))),
           best AS (
               SELECT id, rank + word_similarity($2, title_plain) AS score FROM (
                   SELECT id, rank, title_plain FROM matched
                   WHERE $2::text IS NOT NULL AND $10 = 'relevance'
                   ORDER BY rank DESC, create_time DESC, id LIMIT $14) AS best_ranked),
           page AS (
               SELECT id, row_number() OVER () AS position FROM (
                   SELECT id FROM matched LEFT JOIN best USING (id)
                   ORDER BY CASE WHEN $10 = 'price_asc' THEN price_minor END,
                            CASE WHEN $10 = 'price_desc' THEN price_minor END DESC,
                            CASE WHEN $10 = 'newest' THEN create_time END DESC,
                            score DESC NULLS LAST, rank DESC, create_time DESC, id
                   OFFSET $11 LIMIT $12) AS ordered),
           by_term AS (
               SELECT term, count(*) AS count
               FROM (SELECT UNNEST(facet_terms) AS term FROM matched) AS terms
               GROUP BY term ORDER BY count DESC LIMIT $13)
           SELECT (SELECT count(*) FROM matched) AS "total!",
                  ARRAY(SELECT id FROM page ORDER BY position) AS "ids!",
                  (SELECT COALESCE(jsonb_object_agg(category_id, count), '{}') FROM (
                       SELECT category_id, count(*) AS count
                       FROM matched GROUP BY category_id) AS counted) AS "categories!",
                  (SELECT COALESCE(jsonb_object_agg(term, count), '{}')
                   FROM by_term) AS "terms!""#,
        criteria.tsquery,
        criteria.plain,
        criteria.category_id,
        criteria.currency,
        criteria.min_minor,
        criteria.max_minor,
        criteria.in_stock_only,
        &criteria.terms,
        i64::try_from(criteria.names).unwrap_or(i64::MAX),
        criteria.sort,
        criteria.offset,
        criteria.limit,
        MAX_TERMS,
        MAX_COMPARED,
    )
    .fetch_one(tx)
    .await?;
    let total = u32::try_from(row.total).unwrap_or(u32::MAX);
    Ok(Matches {
        ids: row.ids,
        total: total.min(crate::search::MAX_RESULTS),
        categories: counts(row.categories),
        terms: counts(row.terms),
    })
}

/// Titles that have the text at their beginning, or at that of a word.
pub async fn titles_with(
    tx: &mut PgConnection,
    text: &str,
    limit: i64,
) -> Result<Vec<(String, Uuid)>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH folded AS (SELECT catalog_plain($1) AS text),
           found AS (
               SELECT DISTINCT ON (title) title, id, title_plain LIKE text || '%' AS begins
               FROM products, folded
               WHERE text <> ''
                 AND (title_plain LIKE text || '%' OR title_plain LIKE '% ' || text || '%')
               ORDER BY title, id)
           SELECT title, id FROM found ORDER BY begins DESC, length(title), title LIMIT $2"#,
        text,
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.title, row.id)).collect())
}

/// Titles with words that resemble the text.
pub async fn titles_like(
    tx: &mut PgConnection,
    text: &str,
    limit: i64,
) -> Result<Vec<(String, Uuid)>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH folded AS (SELECT catalog_plain($1) AS text),
           found AS (
               SELECT DISTINCT ON (title) title, id, word_similarity(text, title_plain) AS score
               FROM products, folded
               WHERE text <> '' AND text <% title_plain
               ORDER BY title, id)
           SELECT title, id FROM found ORDER BY score DESC, length(title), title LIMIT $2"#,
        text,
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.title, row.id)).collect())
}

fn counts(json: Value) -> Vec<(String, u32)> {
    let Value::Object(map) = json else {
        return Vec::new();
    };
    map.into_iter()
        .map(|(name, count)| {
            let count = count.as_u64().unwrap_or_default();
            (name, u32::try_from(count).unwrap_or(u32::MAX))
        })
        .collect()
}
