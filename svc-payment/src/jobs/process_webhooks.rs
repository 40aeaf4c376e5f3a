//! Looks into what providers have told us.

use svc_kit::job::{Job, Progress};

use crate::{
    app::App,
    process_webhook::{begin, conclude, look_into},
};

/// One worker; a step is one event.
#[derive(Debug, Clone)]
pub struct ProcessWebhooks {
    /// This service.
    pub app: App,
}

impl Job for ProcessWebhooks {
    const NAME: &'static str = "payment-process-webhooks";

    async fn step(&self) -> anyhow::Result<Progress> {
        let Some(event) = begin(&self.app).await? else {
            return Ok(Progress::Idle);
        };
        // There may be another one: a colleague looks while we wait.
        self.app.due.webhooks.notify_one();
        let state = look_into(&self.app, &event).await?;
        conclude(&self.app, &event, state).await?;
        Ok(Progress::More)
    }
}
