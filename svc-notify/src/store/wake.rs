//! Hears of commits that left something to do, in this process or another, and
//! wakes the workers. What it misses, their timers find.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use svc_kit::{Shutdown, db::Db};
use tokio::sync::Notify;

/// What the triggers notify.
const CHANNEL: &str = "deliveries_due";

/// How long to wait before listening again.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Wakes the workers until told to stop.
///
/// # Errors
/// None: what it runs into is logged, and tried again.
pub async fn run(db: Db, workers: Arc<Notify>, shutdown: Shutdown) -> anyhow::Result<()> {
    while !shutdown.is_stopped() {
        tokio::select! {
            () = shutdown.stopped() => {}
            Err(error) = listen(&db, &workers) => {
                tracing::warn!(%error, "not listening for commits, polling");
                tokio::select! {
                    () = shutdown.stopped() => {}
                    () = tokio::time::sleep(AFTER_ERROR) => {}
                }
            }
        }
    }
    Ok(())
}

async fn listen(db: &Db, workers: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(db.writer()).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // A connection that was lost and made again counts as a notification.
        listener.try_recv().await?;
        workers.notify_one();
    }
}
