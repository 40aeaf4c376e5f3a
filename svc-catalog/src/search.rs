//! Finding products by words. One question, one kind of answer, two engines:
//! Postgres, which is always there, and Meilisearch, when the shop has one.
//!
//! An engine answers ids; the products themselves are read from the database,
//! so that a price in a list of results is never the index's.

mod fallback;
mod indexer;
mod meilisearch;
mod postgres;
mod spelling;

pub use fallback::WithFallback;
pub use indexer::Indexer;
pub use meilisearch::{Meilisearch, MeilisearchConfig, MeilisearchEngine};
pub use postgres::PostgresEngine;
pub use svc_kit::breaker::Breaker;

use svc_kit::{
    error::{Kind, ServiceError, StoreError},
    money::Currency,
};

use crate::{category::CategoryId, product::ProductId};

/// As far as results are counted and can be paged through.
pub const MAX_RESULTS: u32 = 10_000;

/// The longest query that is looked at, in characters; the rest is cut off.
pub const MAX_QUERY_CHARS: usize = 200;

/// The most facets that are answered.
pub const MAX_FACETS: usize = 20;

/// The most values of a facet that are answered.
pub const MAX_FACET_VALUES: usize = 20;

/// The name of the facet that counts categories.
pub const CATEGORY_FACET: &str = "category_id";

/// In which order results come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Best match first.
    #[default]
    Relevance,
    /// Cheapest first.
    PriceAsc,
    /// Dearest first.
    PriceDesc,
    /// Newest first.
    Newest,
}

/// What all results must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// In this category or below it.
    pub category_id: Option<CategoryId>,
    /// Priced within these bounds.
    pub price: Option<PriceRange>,
    /// Ready to be ordered.
    pub in_stock_only: bool,
    /// For each name one of the values.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// Bounds of a price, both included, in minor units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceRange {
    /// Prices in others are out.
    pub currency: Currency,
    /// At least.
    pub min: Option<i64>,
    /// At most.
    pub max: Option<i64>,
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// As it was typed; empty for everything that passes the filter.
    pub text: String,
    /// What all results must be.
    pub filter: Filter,
    /// Their order.
    pub sort: Sort,
    /// How many to skip.
    pub offset: u32,
    /// How many to answer.
    pub limit: u32,
}

impl Query {
    /// Something was typed, but there is no word in it: nothing can match.
    pub fn is_wordless(&self) -> bool {
        !self.text.trim().is_empty() && !self.text.contains(char::is_alphanumeric)
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The products of the page, in order.
    pub ids: Vec<ProductId>,
    /// How many match, up to [`MAX_RESULTS`].
    pub total: u32,
    /// How the matches spread.
    pub facets: Vec<Facet>,
}

/// The values of one field among the matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// [`CATEGORY_FACET`] or the name of an attribute.
    pub name: String,
    /// Value and count, most frequent first.
    pub values: Vec<(String, u32)>,
}

/// A title that begins as the customer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The title.
    pub text: String,
    /// A product that has it.
    pub product_id: ProductId,
}

/// Why an engine has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The search server refused or is away.
    #[error("the search server failed")]
    Server(#[source] Box<meilisearch_sdk::errors::Error>),
    /// The search server took too long.
    #[error("the search server did not answer in time")]
    Late,
    /// The search server answered what makes no sense.
    #[error("the search server answered {0}")]
    Nonsense(&'static str),
}

impl SearchError {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Server(_) | Self::Late | Self::Nonsense(_) => Kind::Unavailable,
        }
    }

    /// Its reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Store(error) => error.reason(),
            Self::Server(_) | Self::Late | Self::Nonsense(_) => "SEARCH_UNAVAILABLE",
        }
    }
}

impl From<meilisearch_sdk::errors::Error> for SearchError {
    fn from(error: meilisearch_sdk::errors::Error) -> Self {
        Self::Server(Box::new(error))
    }
}

/// What searches.
pub trait Engine: Send + Sync {
    /// Names it in metrics.
    const NAME: &'static str;

    /// Finds products.
    ///
    /// # Errors
    /// When the engine cannot answer.
    fn search(&self, query: &Query) -> impl Future<Output = Result<Found, SearchError>> + Send;

    /// Completes what was begun, best first, each text once.
    ///
    /// # Errors
    /// When the engine cannot answer.
    fn suggest(
        &self,
        prefix: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Suggestion>, SearchError>> + Send;
}

/// The engine of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Search {
    /// There is no search server.
    Postgres(PostgresEngine),
    /// There is one, and Postgres behind it.
    Meilisearch(WithFallback<MeilisearchEngine, PostgresEngine>),
}

impl Engine for Search {
    const NAME: &'static str = "configured";

    async fn search(&self, query: &Query) -> Result<Found, SearchError> {
        match self {
            Self::Postgres(engine) => engine.search(query).await,
            Self::Meilisearch(engine) => engine.search(query).await,
        }
    }

    async fn suggest(&self, prefix: &str, limit: u32) -> Result<Vec<Suggestion>, SearchError> {
        match self {
            Self::Postgres(engine) => engine.suggest(prefix, limit).await,
            Self::Meilisearch(engine) => engine.suggest(prefix, limit).await,
        }
    }
}

/// Facets from counted categories and terms, largest first.
fn facets(
    categories: impl IntoIterator<Item = (String, u32)>,
    terms: impl IntoIterator<Item = (String, u32)>,
) -> Vec<Facet> {
    let mut by_name: std::collections::BTreeMap<String, Vec<(String, u32)>> =
        std::collections::BTreeMap::new();
    for (term, count) in terms {
        if let Some((name, value)) = crate::attributes::split_term(&term) {
            by_name
                .entry(name.to_owned())
                .or_default()
                .push((value.to_owned(), count));
        }
    }
    let mut facets: Vec<Facet> = by_name
        .into_iter()
        .map(|(name, values)| Facet { name, values })
        .collect();
    let weight = |facet: &Facet| {
        facet
            .values
            .iter()
            .map(|(_, count)| u64::from(*count))
            .sum::<u64>()
    };
    facets.sort_by_key(|facet| std::cmp::Reverse(weight(facet)));
    let categories: Vec<_> = categories.into_iter().collect();
    if !categories.is_empty() {
        let name = CATEGORY_FACET.to_owned();
        facets.insert(
            0,
            Facet {
                name,
                values: categories,
            },
        );
    }
    facets.truncate(MAX_FACETS);
    for facet in &mut facets {
        facet
            .values
            .sort_by(|(a, many), (b, few)| few.cmp(many).then_with(|| a.cmp(b)));
        facet.values.truncate(MAX_FACET_VALUES);
    }
    facets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::term;

    #[test]
    fn facets_are_sorted_by_how_often_they_occur() {
        let facets = facets(
            [("tents".to_owned(), 2), ("bags".to_owned(), 5)],
            [
                (term("size", "L"), 1),
                (term("colour", "red"), 2),
                (term("colour", "blue"), 3),
            ],
        );
        let names: Vec<&str> = facets.iter().map(|facet| facet.name.as_str()).collect();
        assert_eq!(names, ["category_id", "colour", "size"]);
        assert_eq!(facets[0].values[0], ("bags".to_owned(), 5));
        assert_eq!(facets[1].values[0], ("blue".to_owned(), 3));
    }
}
