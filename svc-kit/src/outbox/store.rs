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

/// Rows to be inserted, as the parameters of `outbox_put` want them, in their
/// order.
#[derive(Debug)]
#[expect(missing_docs, reason = "they are named as the columns")]
pub struct Columns<'a> {
    pub ids: Vec<Uuid>,
    pub subjects: Vec<&'a str>,
    pub types: Vec<&'a str>,
    pub aggregate_ids: Vec<&'a str>,
    pub payloads: Vec<&'a [u8]>,
    pub trace_parents: Vec<Option<&'a str>>,
    pub create_times: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(rows: &'a [NewRow]) -> Self {
        Self {
            ids: rows.iter().map(|row| row.id).collect(),
            subjects: rows.iter().map(|row| row.subject).collect(),
            types: rows.iter().map(|row| row.r#type).collect(),
            aggregate_ids: rows.iter().map(|row| row.aggregate_id.as_str()).collect(),
            payloads: rows.iter().map(|row| row.payload.as_slice()).collect(),
            trace_parents: rows.iter().map(|row| row.trace_parent.as_deref()).collect(),
            create_times: rows.iter().map(|row| row.create_time).collect(),
        }
    }
}

/// Inserts rows, in their order.
pub(super) async fn insert_all(tx: &mut PgConnection, rows: &[NewRow]) -> sqlx::Result<()> {
    let columns = Columns::of(rows);
    sqlx::query!(
        "INSERT INTO outbox (id, subject, type, aggregate_id, payload, trace_parent, create_time)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[],
                              $6::text[], $7::timestamptz[])",
        &columns.ids,
        &columns.subjects as &[&str],
        &columns.types as &[&str],
        &columns.aggregate_ids as &[&str],
        &columns.payloads as &[&[u8]],
        &columns.trace_parents as &[Option<&str>],
        &columns.create_times,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The oldest rows, in their order.
pub(super) async fn oldest(connection: &mut PgConnection, limit: u32) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "SELECT id, subject, type, aggregate_id, payload, trace_parent, create_time
         FROM outbox ORDER BY seq LIMIT $1",
        i64::from(limit),
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
