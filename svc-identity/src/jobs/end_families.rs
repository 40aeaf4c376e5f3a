//! Removes the families of revoked sessions that a crash or an absent Redis
//! left behind, and forgets revocations when no token can ask for them.

use std::time::Duration;

use svc_kit::job::{Job, Progress};

use crate::{
    app::App, error::Error, revoke_session::end_family, session::REFRESH_TOKEN_LIFE,
    store::revoked_sessions,
};

/// How often.
pub const EVERY: Duration = Duration::from_secs(30);

/// Sessions that one step looks at.
const BATCH: i64 = 100;

/// How much longer than a refresh token a revocation is remembered. Until
/// then it also covers a Redis that was restored from an older copy.
const REMEMBERED_AFTER: Duration = Duration::from_hours(24);

/// The job.
pub struct EndFamilies {
    /// Of this service.
    pub app: App,
}

impl Job for EndFamilies {
    const NAME: &'static str = "identity-end-families";

    async fn step(&self) -> anyhow::Result<Progress> {
        Ok(end_families(&self.app).await?)
    }
}

/// One step.
///
/// # Errors
/// When the database or Redis is away.
pub async fn end_families(app: &App) -> Result<Progress, Error> {
    let unfinished = revoked_sessions::unfinished(app.db.writer(), BATCH).await?;
    for id in &unfinished {
        end_family(app, *id).await?;
    }
    let before = app.clock.now() - (REFRESH_TOKEN_LIFE + REMEMBERED_AFTER);
    let forgotten = revoked_sessions::forget(app.db.writer(), before, BATCH).await?;
    let full = usize::try_from(BATCH).is_ok_and(|batch| unfinished.len() >= batch)
        || u64::try_from(BATCH).is_ok_and(|batch| forgotten >= batch);
    Ok(if full { Progress::More } else { Progress::Idle })
}
