//! All SQL on `revoked_sessions`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, id::AccountId};

use crate::session::SessionId;

/// Keeps that a session is over; false when that was known.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert(
    tx: &mut PgConnection,
    id: SessionId,
    account_id: AccountId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO revoked_sessions (session_id, account_id, revoke_time) VALUES ($1, $2, $3)
         ON CONFLICT (session_id) DO NOTHING",
        id.0,
        account_id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Whether a session is over.
///
/// # Errors
/// When the database refuses or is away.
pub async fn contains(db: impl PgExecutor<'_>, id: SessionId) -> Result<bool, StoreError> {
    let row = sqlx::query!(
        r#"SELECT EXISTS (SELECT FROM revoked_sessions WHERE session_id = $1) AS "found!""#,
        id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(row.found)
}

/// Sessions whose families were not seen to be gone, the longest waiting
/// first.
///
/// # Errors
/// When the database refuses or is away.
pub async fn unfinished(
    db: impl PgExecutor<'_>,
    at_most: i64,
) -> Result<Vec<SessionId>, StoreError> {
    let rows = sqlx::query!(
        "SELECT session_id FROM revoked_sessions WHERE family_end_time IS NULL
         ORDER BY revoke_time LIMIT $1",
        at_most,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| SessionId(row.session_id))
        .collect())
}

/// Keeps that a session's family is gone.
///
/// # Errors
/// When the database refuses or is away.
pub async fn finish(
    db: impl PgExecutor<'_>,
    id: SessionId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE revoked_sessions SET family_end_time = $2
         WHERE session_id = $1 AND family_end_time IS NULL",
        id.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets what was finished and is older than `before`; tells how many.
///
/// # Errors
/// When the database refuses or is away.
pub async fn forget(
    db: impl PgExecutor<'_>,
    before: DateTime<Utc>,
    at_most: i64,
) -> Result<u64, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM revoked_sessions WHERE session_id IN (
             SELECT session_id FROM revoked_sessions
             WHERE revoke_time < $1 AND family_end_time IS NOT NULL
             ORDER BY revoke_time LIMIT $2)",
        before,
        at_most,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
