//! The SQL on `outbox`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::Db;

/// A row to be inserted.
pub(super) struct NewRow<'a> {
    pub(super) id: Uuid,
    pub(super) subject: &'a str,
    pub(super) r#type: &'a str,
    pub(super) aggregate_id: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) trace_parent: Option<&'a str>,
    pub(super) create_time: DateTime<Utc>,
}

/// A row to be published.
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) subject: String,
    pub(super) r#type: String,
    pub(super) aggregate_id: String,
    pub(super) payload: Vec<u8>,
    pub(super) trace_parent: Option<String>,
    pub(super) create_time: DateTime<Utc>,
}

pub(super) async fn insert(tx: &mut PgConnection, row: &NewRow<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO outbox (id, subject, type, aggregate_id, payload, trace_parent, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        row.id,
        row.subject,
        row.r#type,
        row.aggregate_id,
        row.payload,
        row.trace_parent,
        row.create_time,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The oldest rows, in their order.
pub(super) async fn oldest(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "SELECT id, subject, type, aggregate_id, payload, trace_parent, create_time
         FROM outbox ORDER BY seq LIMIT $1",
        limit,
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn subjects(db: &Db) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!("SELECT subject FROM outbox ORDER BY seq")
        .fetch_all(db.writer())
        .await
}

pub(super) async fn delete(connection: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", ids)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes an advisory lock, if nobody holds it. It is held until it is given
/// back or the connection ends.
pub(super) async fn try_lock(connection: &mut PgConnection, key: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, key)
        .fetch_one(connection)
        .await
}

/// Gives an advisory lock back.
pub(super) async fn unlock(connection: &mut PgConnection, key: i64) -> sqlx::Result<()> {
    sqlx::query_scalar!("SELECT pg_advisory_unlock($1)", key)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Transactions that have written to the outbox are still open.
pub(super) async fn being_written(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM pg_locks
               WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND relation = 'outbox'::regclass
                 AND pid IS DISTINCT FROM pg_backend_pid()) AS "open!""#,
    )
    .fetch_one(connection)
    .await
}
