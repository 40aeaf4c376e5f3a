//! Search in a Meilisearch server. This engine only asks; the [`Indexer`]
//! keeps the index.
//!
//! [`Indexer`]: super::Indexer

pub(super) mod document;
mod filter;

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use meilisearch_sdk::{
    client::Client,
    search::{MatchingStrategies, SearchQuery, SearchResults, Selectors},
};
use prometheus::HistogramVec;
use serde::Deserialize;
use svc_kit::{metrics, secret::Secret};

use super::{
    Engine, Found, MAX_QUERY_CHARS, MAX_RESULTS, Query, SearchError, Sort, Suggestion, facets,
};
use crate::product::ProductId;
use document::plain_term;

/// How long the server may take. The Postgres engine answers after that.
const TIMEOUT: Duration = Duration::from_millis(500);

/// More titles than suggestions are asked for, as several products may share
/// one.
const SUGGEST_FACTOR: usize = 3;

static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    metrics::histogram(
        "catalog_meilisearch_duration_seconds",
        "Time to an answer of the search server.",
        &["question"],
    )
});

/// Where the search server is.
#[derive(Debug, Clone, clap::Args)]
pub struct MeilisearchConfig {
    /// The search server; without it search is answered from Postgres.
    #[arg(long, env = "SOUK_MEILI_URL")]
    pub meili_url: Option<String>,
    /// Its key.
    #[arg(long, env = "SOUK_MEILI_KEY", hide_env_values = true)]
    pub meili_key: Option<Secret>,
    /// The index, which nobody else uses.
    #[arg(long, env = "SOUK_MEILI_INDEX", default_value = "souk-products")]
    pub meili_index: String,
}

/// A search server and our index in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Meilisearch {
    pub(super) client: Client,
    pub(super) index: String,
}

impl Meilisearch {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the key cannot be sent.
    pub fn new(url: &str, key: Option<&Secret>, index: &str) -> anyhow::Result<Self> {
        let key = key.map(Secret::expose);
        anyhow::ensure!(
            key.is_none_or(|key| key.bytes().all(|byte| byte.is_ascii_graphic())),
            "the key of the search server is not plain ASCII"
        );
        Ok(Self {
            client: Client::new(url.trim_end_matches('/'), key)?,
            index: index.to_owned(),
        })
    }
}

/// Answers from a search server.
#[derive(Debug, Clone)]
pub struct MeilisearchEngine {
    server: Meilisearch,
}

/// What is read of a document.
#[derive(Debug, Deserialize)]
struct Hit {
    id: ProductId,
    #[serde(default)]
    title: String,
}

impl MeilisearchEngine {
    /// On this index.
    pub fn new(server: Meilisearch) -> Self {
        Self { server }
    }

    async fn ask(
        &self,
        query: &Query,
        strategy: MatchingStrategies,
    ) -> Result<SearchResults<Hit>, SearchError> {
        let index = self.server.client.index(&self.server.index);
        let text: String = query.text.chars().take(MAX_QUERY_CHARS).collect();
        let filter = filter::of(&query.filter);
        let sort: &[&str] = match query.sort {
            Sort::Relevance => &[],
            Sort::PriceAsc => &["price_minor:asc"],
            Sort::PriceDesc => &["price_minor:desc"],
            Sort::Newest => &["create_time:desc"],
        };
        let mut question = SearchQuery::new(&index);
        question
            .with_query(&text)
            .with_matching_strategy(strategy)
            .with_offset(query.offset as usize)
            .with_limit(query.limit as usize)
            .with_facets(Selectors::Some(&["category_id", "terms"]))
            .with_attributes_to_retrieve(Selectors::Some(&["id"]));
        if !filter.is_empty() {
            question.with_filter(&filter);
        }
        if !sort.is_empty() {
            question.with_sort(sort);
        }
        within("search", index.execute_query(&question)).await
    }
}

impl Engine for MeilisearchEngine {
    const NAME: &'static str = "meilisearch";

    async fn search(&self, query: &Query) -> Result<Found, SearchError> {
        if query.is_wordless() {
            return Ok(Found::default());
        }
        // All words; or, when no product has them all, fewer from the end.
        let mut results = self.ask(query, MatchingStrategies::ALL).await?;
        if total(&results)? == 0 && query.text.split_whitespace().nth(1).is_some() {
            results = self.ask(query, MatchingStrategies::LAST).await?;
        }
        let mut distribution = results.facet_distribution.take().unwrap_or_default();
        let categories = counted(distribution.remove("category_id"));
        let terms = counted(distribution.remove("terms"))
            .into_iter()
            .map(|(term, count)| (plain_term(&term), count));
        Ok(Found {
            total: total(&results)?.min(MAX_RESULTS),
            ids: results.hits.into_iter().map(|hit| hit.result.id).collect(),
            facets: facets(categories, terms),
        })
    }

    async fn suggest(&self, prefix: &str, limit: u32) -> Result<Vec<Suggestion>, SearchError> {
        if !prefix.contains(char::is_alphanumeric) {
            return Ok(Vec::new());
        }
        let index = self.server.client.index(&self.server.index);
        let text: String = prefix.chars().take(MAX_QUERY_CHARS).collect();
        let limit = limit as usize;
        let mut question = SearchQuery::new(&index);
        question
            .with_query(&text)
            .with_matching_strategy(MatchingStrategies::ALL)
            .with_limit(limit.saturating_mul(SUGGEST_FACTOR))
            .with_attributes_to_search_on(&["title"])
            .with_attributes_to_retrieve(Selectors::Some(&["id", "title"]));
        let results: SearchResults<Hit> = within("suggest", index.execute_query(&question)).await?;
        let mut suggestions: Vec<Suggestion> = Vec::with_capacity(limit);
        for hit in results.hits {
            let Hit { id, title } = hit.result;
            if suggestions.len() < limit && suggestions.iter().all(|known| known.text != title) {
                suggestions.push(Suggestion {
                    text: title,
                    product_id: id,
                });
            }
        }
        Ok(suggestions)
    }
}

async fn within<T>(
    question: &'static str,
    answer: impl Future<Output = Result<T, meilisearch_sdk::errors::Error>>,
) -> Result<T, SearchError> {
    let timer = DURATION.with_label_values(&[question]).start_timer();
    let answer = tokio::time::timeout(TIMEOUT, answer).await;
    timer.observe_duration();
    Ok(answer.map_err(|_| SearchError::Late)??)
}

fn total(results: &SearchResults<Hit>) -> Result<u32, SearchError> {
    results
        .estimated_total_hits
        .map(|total| u32::try_from(total).unwrap_or(u32::MAX))
        .ok_or(SearchError::Nonsense("without a total"))
}

fn counted(values: Option<HashMap<String, usize>>) -> Vec<(String, u32)> {
    values
        .unwrap_or_default()
        .into_iter()
        .map(|(value, count)| (value, u32::try_from(count).unwrap_or(u32::MAX)))
        .collect()
}
