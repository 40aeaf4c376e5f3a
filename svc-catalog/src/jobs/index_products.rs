//! Keeps the search server in step: builds the index when there is none of this
//! release, then feeds it what has changed.

use svc_kit::job::{Job, Progress};

use crate::search::Indexer;

/// One build or one batch a step, in one replica at a time.
#[derive(Debug, Clone)]
pub struct IndexProducts {
    /// What does it.
    pub indexer: Indexer,
}

impl Job for IndexProducts {
    const NAME: &'static str = "catalog-index-products";

    async fn step(&self) -> anyhow::Result<Progress> {
        Ok(if self.indexer.step().await? {
            Progress::More
        } else {
            Progress::Idle
        })
    }
}
