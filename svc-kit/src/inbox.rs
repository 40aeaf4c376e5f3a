//! What the consumers of a service have handled, so that each event is handled
//! once however often it is delivered, and how often a handler has failed.

use std::{collections::HashSet, time::Duration};

use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use crate::{
    db::Db,
    fault,
    job::{Job, Progress},
    nats::STREAM_MAX_AGE,
};

/// How long a claim is kept: longer than any stream keeps the event.
pub const RETENTION: Duration = Duration::from_secs(STREAM_MAX_AGE.as_secs() + 24 * 60 * 60);

/// How often [`Prune`] is worth running.
pub const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// How many rows one step of [`Prune`] deletes.
const PRUNE_BATCH: i64 = 5_000;

/// Claims an event for a consumer until the transaction ends; false when it
/// has been handled before. Waits for another transaction that holds a claim.
pub(crate) async fn claim(
    tx: &mut PgConnection,
    consumer: &str,
    event_id: Uuid,
) -> sqlx::Result<bool> {
    if fault::skips_inbox() {
        return Ok(true);
    }
    let inserted = sqlx::query!(
        "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        consumer,
        event_id,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Claims events for a consumer until the transaction ends; returns those that
/// have not been handled before. Waits for another transaction that holds a
/// claim.
pub(crate) async fn claim_all(
    tx: &mut PgConnection,
    consumer: &str,
    event_ids: &[Uuid],
) -> sqlx::Result<HashSet<Uuid>> {
    if fault::skips_inbox() {
        return Ok(event_ids.iter().copied().collect());
    }
    let claimed = sqlx::query_scalar!(
        "INSERT INTO inbox (consumer, event_id)
         SELECT $1, event_id FROM unnest($2::uuid[]) AS heard (event_id) ORDER BY event_id
         ON CONFLICT DO NOTHING RETURNING event_id",
        consumer,
        event_ids,
    )
    .fetch_all(tx)
    .await?;
    Ok(claimed.into_iter().collect())
}

/// Notes that a handler has failed on an event. Returns how often it has.
pub(crate) async fn failed(db: &Db, consumer: &str, event_id: Uuid) -> sqlx::Result<u32> {
    let attempts = sqlx::query_scalar!(
        "INSERT INTO inbox_attempts (consumer, event_id, attempts) VALUES ($1, $2, 1)
         ON CONFLICT (consumer, event_id)
         DO UPDATE SET attempts = inbox_attempts.attempts + 1, update_time = now()
         RETURNING attempts",
        consumer,
        event_id,
    )
    .fetch_one(db.writer())
    .await?;
    Ok(u32::try_from(attempts).unwrap_or(u32::MAX))
}

/// Forgets that a handler has failed on an event.
pub(crate) async fn forget_failures(db: &Db, consumer: &str, event_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM inbox_attempts WHERE consumer = $1 AND event_id = $2",
        consumer,
        event_id,
    )
    .execute(db.writer())
    .await?;
    Ok(())
}

/// Deletes claims of events that no stream keeps any more.
#[derive(Debug, Clone)]
pub struct Prune {
    db: Db,
}

impl Prune {
    /// Of this service's inbox.
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

impl Job for Prune {
    const NAME: &'static str = "inbox-prune";

    async fn step(&self) -> anyhow::Result<Progress> {
        let retention = PgInterval::try_from(RETENTION).map_err(anyhow::Error::from_boxed)?;
        let claims = sqlx::query!(
            "DELETE FROM inbox WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM inbox WHERE create_time < now() - $1::interval LIMIT $2))",
            retention,
            PRUNE_BATCH,
        )
        .execute(self.db.writer())
        .await?;
        let attempts = sqlx::query!(
            "DELETE FROM inbox_attempts WHERE update_time < now() - $1::interval",
            retention,
        )
        .execute(self.db.writer())
        .await?;
        let deleted = claims.rows_affected() + attempts.rows_affected();
        if deleted > 0 {
            tracing::debug!(deleted, "inbox pruned");
        }
        Ok(if claims.rows_affected() >= PRUNE_BATCH.unsigned_abs() {
            Progress::More
        } else {
            Progress::Idle
        })
    }
}
