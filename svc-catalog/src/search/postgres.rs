//! Search in the catalog's own database: full text, prefixes and trigrams.
//!
//! 1. The query is folded as titles are, and split into words. Words that say
//!    nothing ("the") are left out, unless there are no others.
//! 2. A word that is in no product, not even as the beginning or with another
//!    ending, is taken for a typing error. Trigrams find titles with a similar
//!    word, and the words of these titles that are nearest by edit distance
//!    stand in for it. A word that nothing resembles is left out.
//! 3. What is left is one text-search query: every word must be there. When no
//!    product has all of them, words are given up from the end, as Meilisearch
//!    does.
//! 4. Matches are ranked by where the words stand (title, category and
//!    attributes, description) and how well the title resembles the query.
//!
//! Each step is an index look-up; the last one ranks and counts the matches.

use svc_kit::db::Db;

use super::{
    Engine, Found, MAX_QUERY_CHARS, Query, SearchError, Sort, Suggestion, facets, spelling,
};
use crate::{
    attributes::term,
    category::CategoryId,
    product::ProductId,
    store::search::{self, Criteria, Transaction, Word},
};

/// The most words of a query that are looked at.
const MAX_WORDS: usize = 10;

/// From how many characters on a beginning that nothing has is taken for a
/// typing error.
const SUGGEST_TYPOS_FROM: usize = 4;

/// Answers from Postgres; needs nothing else.
#[derive(Debug, Clone)]
pub struct PostgresEngine {
    db: Db,
}

/// What a query comes to.
struct Wanted {
    /// A `tsquery`.
    tsquery: String,
    /// The words, corrected.
    plain: String,
}

impl PostgresEngine {
    /// On this database; a replica will do.
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

impl Engine for PostgresEngine {
    const NAME: &'static str = "postgres";

    async fn search(&self, query: &Query) -> Result<Found, SearchError> {
        if query.is_wordless() {
            return Ok(Found::default());
        }
        let text = clean(&query.text);
        let mut tx = search::begin(&self.db, !text.is_empty()).await?;
        let wanted = if text.is_empty() {
            None
        } else {
            match understand(&mut tx, &text).await? {
                Some(wanted) => Some(wanted),
                None => return Ok(Found::default()),
            }
        };
        let terms = query
            .filter
            .attributes
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| term(name, value)));
        let price = query.filter.price;
        let matches = search::matches(
            &mut tx,
            &Criteria {
                tsquery: wanted.as_ref().map(|wanted| wanted.tsquery.as_str()),
                plain: wanted.as_ref().map(|wanted| wanted.plain.as_str()),
                category_id: query.filter.category_id.as_ref().map(CategoryId::as_str),
                currency: price.map(|price| price.currency.code()),
                min_minor: price.and_then(|price| price.min),
                max_minor: price.and_then(|price| price.max),
                in_stock_only: query.filter.in_stock_only,
                terms: terms.collect(),
                names: query.filter.attributes.len(),
                sort: match query.sort {
                    Sort::Relevance => "relevance",
                    Sort::PriceAsc => "price_asc",
                    Sort::PriceDesc => "price_desc",
                    Sort::Newest => "newest",
                },
                offset: query.offset.into(),
                limit: query.limit.into(),
            },
        )
        .await?;
        Ok(Found {
            ids: matches.ids.into_iter().map(ProductId).collect(),
            total: matches.total,
            facets: facets(matches.categories, matches.terms),
        })
    }

    async fn suggest(&self, prefix: &str, limit: u32) -> Result<Vec<Suggestion>, SearchError> {
        let prefix = clean(prefix);
        if !prefix.contains(char::is_alphanumeric) {
            return Ok(Vec::new());
        }
        let mut tx = search::begin(&self.db, true).await?;
        let mut titles = search::titles_with(&mut tx, &prefix, limit.into()).await?;
        if titles.is_empty() && prefix.chars().count() >= SUGGEST_TYPOS_FROM {
            titles = search::titles_like(&mut tx, &prefix, limit.into()).await?;
        }
        Ok(titles
            .into_iter()
            .map(|(text, id)| Suggestion {
                text,
                product_id: ProductId(id),
            })
            .collect())
    }
}

/// What Postgres can take, and no more than anybody types.
fn clean(text: &str) -> String {
    let text: String = text
        .chars()
        .take(MAX_QUERY_CHARS)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    text.trim().to_owned()
}

/// The query that has an answer; `None` when there is no such.
async fn understand(tx: &mut Transaction, text: &str) -> Result<Option<Wanted>, SearchError> {
    let mut words = search::words(tx, text).await?;
    words.retain(|word| !word.tsquery.is_empty());
    if words.iter().any(|word| !word.stop) {
        words.retain(|word| !word.stop);
    }
    words.truncate(MAX_WORDS);

    let mut known = Vec::with_capacity(words.len());
    for word in words {
        if word.known {
            known.push(word);
        } else if let Some(meant) = correct(tx, &word.text).await? {
            known.push(meant);
        }
    }
    // The longest beginning of the query that has a match.
    let beginnings: Vec<String> = (1..=known.len())
        .map(|count| {
            let each: Vec<String> = known[..count]
                .iter()
                .map(|word| format!("({})", word.tsquery))
                .collect();
            each.join(" & ")
        })
        .collect();
    let count = search::longest_match(tx, &beginnings).await?;
    let Some(tsquery) = count
        .checked_sub(1)
        .and_then(|index| beginnings.into_iter().nth(index))
    else {
        return Ok(None);
    };
    let plain: Vec<String> = known
        .into_iter()
        .take(count)
        .map(|word| word.text)
        .collect();
    Ok(Some(Wanted {
        tsquery,
        plain: plain.join(" "),
    }))
}

/// What a word may have meant that is in no product.
async fn correct(tx: &mut Transaction, typed: &str) -> Result<Option<Word>, SearchError> {
    if !spelling::may_be_wrong(typed) {
        return Ok(None);
    }
    let similar = search::similar_words(tx, typed).await?;
    let meant = spelling::corrections(typed, similar);
    let Some(best) = meant.first().cloned() else {
        return Ok(None);
    };
    let alternatives: Vec<String> = search::words(tx, &meant.join(" "))
        .await?
        .into_iter()
        .filter(|word| word.known)
        .map(|word| word.tsquery)
        .collect();
    if alternatives.is_empty() {
        return Ok(None);
    }
    Ok(Some(Word {
        text: best,
        stop: false,
        known: true,
        tsquery: alternatives.join(" | "),
    }))
}
