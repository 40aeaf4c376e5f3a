//! Two engines as one: the second answers when the first does not.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use prometheus::IntCounterVec;
use svc_kit::{error, metrics};

use super::{Breaker, Engine, Found, Query, SearchError, Suggestion};

/// Failures in a row after which the first engine is left alone, and how long.
const TRIP_AFTER: u32 = 3;
const PAUSE: Duration = Duration::from_secs(10);

static ANSWERS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "catalog_search_answers_total",
        "Searches, by the engine that answered.",
        &["engine"],
    )
});

/// An engine with another one behind it.
#[derive(Debug, Clone)]
pub struct WithFallback<P, F> {
    first: P,
    second: F,
    breaker: Arc<Breaker>,
}

impl<P: Engine, F: Engine> WithFallback<P, F> {
    /// Asks `first`, and `second` when that fails.
    pub fn new(first: P, second: F) -> Self {
        Self {
            first,
            second,
            breaker: Arc::new(Breaker::new(TRIP_AFTER, PAUSE)),
        }
    }

    /// The first engine's answer, if it has one.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, SearchError>>) -> Option<T> {
        if !self.breaker.admits() {
            return None;
        }
        match question.await {
            Ok(answer) => {
                self.breaker.succeeded();
                ANSWERS.with_label_values(&[P::NAME]).inc();
                Some(answer)
            }
            Err(failure) => {
                tracing::warn!(
                    engine = P::NAME,
                    error = error::chain(&failure),
                    "search failed"
                );
                if self.breaker.failed() {
                    tracing::error!(
                        engine = P::NAME,
                        instead = F::NAME,
                        "search is answered by the other engine for now"
                    );
                }
                None
            }
        }
    }
}

impl<P: Engine, F: Engine> Engine for WithFallback<P, F> {
    const NAME: &'static str = "fallback";

    async fn search(&self, query: &Query) -> Result<Found, SearchError> {
        if let Some(found) = self.ask(self.first.search(query)).await {
            return Ok(found);
        }
        ANSWERS.with_label_values(&[F::NAME]).inc();
        self.second.search(query).await
    }

    async fn suggest(&self, prefix: &str, limit: u32) -> Result<Vec<Suggestion>, SearchError> {
        if let Some(suggestions) = self.ask(self.first.suggest(prefix, limit)).await {
            return Ok(suggestions);
        }
        ANSWERS.with_label_values(&[F::NAME]).inc();
        self.second.suggest(prefix, limit).await
    }
}
