//! Compares each day that is over with the providers' records.

use svc_kit::job::{Job, Progress};

use crate::{
    app::App,
    reconcile::{measure, plan, step},
};

/// One worker; a step is one page.
#[derive(Debug, Clone)]
pub struct ReconcileDays {
    /// This service.
    pub app: App,
}

impl Job for ReconcileDays {
    const NAME: &'static str = "payment-reconcile-days";

    async fn step(&self) -> anyhow::Result<Progress> {
        if step(&self.app).await? || plan(&self.app).await? > 0 {
            return Ok(Progress::More);
        }
        measure(&self.app).await?;
        Ok(Progress::Idle)
    }
}
