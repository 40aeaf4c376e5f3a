//! The SQL on `outbox`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::Db;

/// A row to be inserted.
pub(super) struct NewRow {
    pub(super) id: Uuid,
    pub(super) subject: &'static str,
    pub(super) r#type: &'static str,
    pub(super) aggregate_id: String,
    pub(super) payload: Vec<u8>,
    pub(super) trace_parent: Option<String>,
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

/// Inserts rows, in their order.
pub(super) async fn insert_all(tx: &mut PgConnection, rows: &[NewRow]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let subjects: Vec<&str> = rows.iter().map(|row| row.subject).collect();
    let types: Vec<&str> = rows.iter().map(|row| row.r#type).collect();
    let aggregates: Vec<&str> = rows.iter().map(|row| row.aggregate_id.as_str()).collect();
    let payloads: Vec<&[u8]> = rows.iter().map(|row| row.payload.as_slice()).collect();
    let traces: Vec<Option<&str>> = rows.iter().map(|row| row.trace_parent.as_deref()).collect();
    let times: Vec<DateTime<Utc>> = rows.iter().map(|row| row.create_time).collect();
    sqlx::query!(
        "INSERT INTO outbox (id, subject, type, aggregate_id, payload, trace_parent, create_time)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[],
                              $6::text[], $7::timestamptz[])",
        &ids,
        &subjects as &[&str],
        &types as &[&str],
        &aggregates as &[&str],
        &payloads as &[&[u8]],
        &traces as &[Option<&str>],
        &times,
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
