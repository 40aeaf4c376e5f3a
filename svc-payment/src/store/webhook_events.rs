//! The table `webhook_events`: what providers tell us.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;

use super::{LEASE, count, read};
use crate::{
    provider::ProviderName,
    webhook::{Received, State},
};

const TABLE: &str = "webhook_events";

/// Keeps an event as it came. What can be read is due at once; an event that is
/// there already is left alone: false.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_once(
    tx: &mut PgConnection,
    event: &Received,
    payload: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let state = match event.kind {
        Some(_) => State::Received,
        None => State::Unreadable,
    };
    let is_due = state == State::Received;
    let inserted = sqlx::query!(
        "INSERT INTO webhook_events
             (provider, event_id, type, payload, state, due_time, receive_time, conclude_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (provider, event_id) DO NOTHING",
        event.provider.as_str(),
        event.event_id,
        event.kind,
        payload,
        state.as_str(),
        is_due.then_some(now),
        now,
        (!is_due).then_some(now),
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// An event that somebody has claimed.
#[derive(Clone)]
pub struct Claimed {
    /// Who tells it.
    pub provider: ProviderName,
    /// Its id there.
    pub event_id: String,
    /// What happened, in the provider's words.
    pub kind: String,
    /// All of it, persons' names perhaps among it.
    pub payload: Vec<u8>,
    /// How often somebody has looked into it, this time counted.
    pub attempts: u32,
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimed")
            .field("event_id", &self.event_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Claims the event that has been due for longest: nobody else gets it before
/// the lease is over.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query!(
        r#"WITH due AS (
             SELECT provider, event_id FROM webhook_events
             WHERE state = 'received' AND due_time <= $1
             ORDER BY due_time LIMIT 1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE webhook_events SET attempts = attempts + 1, due_time = $2
         FROM due
         WHERE webhook_events.provider = due.provider AND webhook_events.event_id = due.event_id
         RETURNING webhook_events.provider, webhook_events.event_id, type AS "kind", payload,
             attempts"#,
        now,
        now + LEASE,
    )
    .fetch_optional(tx)
    .await?;
    row.map(|row| {
        Ok(Claimed {
            provider: read(TABLE, &row.provider)?,
            event_id: row.event_id,
            kind: row.kind.unwrap_or_default(),
            payload: row.payload,
            attempts: count(TABLE, row.attempts)?,
        })
    })
    .transpose()
}

/// Writes what became of an event.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(
    tx: &mut PgConnection,
    event: &Claimed,
    state: State,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE webhook_events SET state = $3, due_time = NULL, conclude_time = $4
         WHERE provider = $1 AND event_id = $2 AND state = 'received'",
        event.provider.as_str(),
        event.event_id,
        state.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Says when an event is looked into again.
///
/// # Errors
/// When the database does not answer.
pub async fn look_again(
    tx: &mut PgConnection,
    event: &Claimed,
    due_time: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE webhook_events SET due_time = $3
         WHERE provider = $1 AND event_id = $2 AND state = 'received'",
        event.provider.as_str(),
        event.event_id,
        due_time,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes some events that were concluded before; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_concluded(
    tx: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> Result<u64, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM webhook_events WHERE (provider, event_id) IN (
             SELECT provider, event_id FROM webhook_events
             WHERE state <> 'received' AND conclude_time < $1
             LIMIT $2
         )",
        before,
        most,
    )
    .execute(tx)
    .await?;
    Ok(deleted.rows_affected())
}
