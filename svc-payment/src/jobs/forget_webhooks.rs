//! Forgets what providers have told us, once it is of no more use: it is as they
//! wrote it, and may name persons.

use std::time::Duration;

use svc_kit::job::{Job, Progress};

use crate::{app::App, store::webhook_events};

/// How long an event is kept after it was looked into. Longer than a provider
/// repeats it.
pub const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// How many are deleted in one step.
const AT_ONCE: i64 = 500;

/// How often it is looked for old ones.
pub const EVERY: Duration = Duration::from_hours(1);

/// A step deletes some.
#[derive(Debug, Clone)]
pub struct ForgetWebhooks {
    /// This service.
    pub app: App,
}

impl Job for ForgetWebhooks {
    const NAME: &'static str = "payment-forget-webhooks";

    async fn step(&self) -> anyhow::Result<Progress> {
        let before = self.app.clock.now() - KEPT_FOR;
        let mut tx = self.app.db.begin().await?;
        let deleted = webhook_events::delete_concluded(&mut tx, before, AT_ONCE).await?;
        tx.commit().await?;
        Ok(if deleted == 0 {
            Progress::Idle
        } else {
            Progress::More
        })
    }
}
