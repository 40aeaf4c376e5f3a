//! Tells the cache what it missed.

use svc_kit::job::{Job, Progress};

use crate::{app::App, repair_cache::repair_cache};

/// One batch a step.
#[derive(Debug, Clone)]
pub struct RepairCache {
    /// What it works with.
    pub app: App,
}

impl Job for RepairCache {
    const NAME: &'static str = "catalog-repair-cache";

    async fn step(&self) -> anyhow::Result<Progress> {
        Ok(if repair_cache(&self.app).await? {
            Progress::More
        } else {
            Progress::Idle
        })
    }
}
