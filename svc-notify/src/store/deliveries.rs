//! The table `deliveries`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{
    error::{StoreError, chain},
    fault,
    id::AccountId,
};
use uuid::Uuid;

use super::LEASE;
use crate::{
    contact::Contact,
    delivery::{Delivery, DeliveryId, Status, Template},
    notice::Notice,
};

const TABLE: &str = "deliveries";

/// The one channel there is.
const EMAIL: &str = "email";

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn corrupt(why: impl ToString) -> StoreError {
    StoreError::Corrupt {
        table: TABLE,
        why: why.to_string(),
    }
}

struct Row {
    id: Uuid,
    account_id: Uuid,
    template: String,
    order_id: Option<Uuid>,
    subject: String,
    status: String,
    attempts: i32,
    last_error: Option<String>,
    create_time: DateTime<Utc>,
    sent_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Delivery {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: DeliveryId(row.id),
            account_id: AccountId(row.account_id),
            template: row.template.parse::<Template>().map_err(corrupt)?,
            order_id: row.order_id,
            subject: row.subject,
            status: row.status.parse::<Status>().map_err(corrupt)?,
            attempts: u32::try_from(row.attempts).map_err(corrupt)?,
            last_error: row.last_error,
            create_time: row.create_time,
            sent_time: row.sent_time,
        })
    }
}

/// A delivery that is to be queued.
#[derive(Debug)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub account_id: AccountId,
    /// What they are told.
    pub notice: Notice,
    /// Its subject line.
    pub subject: String,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
}

/// Queues deliveries, due at once, and says which: those whose events were not
/// told before.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_once(
    tx: &mut PgConnection,
    new: &[NewDelivery],
    now: DateTime<Utc>,
) -> Result<HashSet<DeliveryId>, StoreError> {
    let ids: Vec<Uuid> = new.iter().map(|one| one.id.0).collect();
    let account_ids: Vec<Uuid> = new.iter().map(|one| one.account_id.0).collect();
    let event_keys: Vec<String> = new.iter().map(|one| one.notice.event_key()).collect();
    let templates: Vec<&str> = new
        .iter()
        .map(|one| one.notice.template().as_str())
        .collect();
    let order_ids: Vec<Option<Uuid>> = new.iter().map(|one| one.notice.order_id()).collect();
    let subjects: Vec<&str> = new.iter().map(|one| one.subject.as_str()).collect();
    let notices = new
        .iter()
        .map(|one| serde_json::to_value(&one.notice).map_err(corrupt))
        .collect::<Result<Vec<_>, _>>()?;
    let trace_parents: Vec<Option<&str>> =
        new.iter().map(|one| one.trace_parent.as_deref()).collect();
    let queued = sqlx::query_scalar!(
        "INSERT INTO deliveries (id, account_id, event_key, channel, template, order_id, subject,
             notice, status, due_time, trace_parent, create_time)
         SELECT id, account_id, event_key, $9, template, order_id, subject, notice, 'queued', $10,
             trace_parent, $10
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[],
                     $7::jsonb[], $8::text[])
             AS new (id, account_id, event_key, template, order_id, subject, notice, trace_parent)
         ON CONFLICT (event_key, channel) DO NOTHING
         RETURNING id",
        &ids,
        &account_ids,
        &event_keys,
        &templates as &[&str],
        &order_ids as &[Option<Uuid>],
        &subjects as &[&str],
        &notices,
        &trace_parents as &[Option<&str>],
        EMAIL,
        now,
    )
    .fetch_all(tx)
    .await?;
    Ok(queued.into_iter().map(DeliveryId).collect())
}

/// Which of these events have been told, or are about to be.
///
/// # Errors
/// When the database does not answer.
pub async fn told(
    db: impl PgExecutor<'_>,
    event_keys: &[String],
) -> Result<HashSet<String>, StoreError> {
    let told = sqlx::query_scalar!(
        "SELECT event_key FROM deliveries WHERE event_key = ANY($1)",
        event_keys,
    )
    .fetch_all(db)
    .await?;
    Ok(told.into_iter().collect())
}

/// A delivery that somebody has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: DeliveryId,
    /// The number of this attempt, from one.
    pub attempt: u32,
    /// To whom.
    pub contact: Contact,
    /// What they are told.
    pub notice: Notice,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
    /// When it was queued.
    pub create_time: DateTime<Utc>,
}

struct ClaimedRow {
    id: Uuid,
    account_id: Uuid,
    attempts: i32,
    notice: serde_json::Value,
    trace_parent: Option<String>,
    create_time: DateTime<Utc>,
    email: String,
    display_name: String,
}

impl TryFrom<ClaimedRow> for Claimed {
    type Error = StoreError;

    fn try_from(row: ClaimedRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: DeliveryId(row.id),
            attempt: u32::try_from(row.attempts).map_err(corrupt)?,
            contact: Contact {
                account_id: AccountId(row.account_id),
                email: row.email,
                display_name: row.display_name,
            },
            notice: serde_json::from_value(row.notice).map_err(corrupt)?,
            trace_parent: row.trace_parent,
            create_time: row.create_time,
        })
    }
}

/// Claims so many deliveries at most, those that have been due for longest and
/// whose contact is known: nobody else gets them before the lease is over. One
/// that makes no sense is logged and left out, and due again after the lease.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Claimed>, StoreError> {
    let rows = sqlx::query_as!(
        ClaimedRow,
        "WITH due AS (
             SELECT deliveries.id, email, display_name
             FROM deliveries JOIN contacts USING (account_id)
             WHERE status = 'queued' AND due_time <= $1
             ORDER BY due_time LIMIT $3
             FOR UPDATE OF deliveries SKIP LOCKED
         )
         UPDATE deliveries SET attempts = attempts + 1, due_time = $2
         FROM due WHERE deliveries.id = due.id
         RETURNING deliveries.id, account_id, attempts, notice, trace_parent, create_time,
             email, display_name",
        now,
        now + fault::patience(LEASE),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let delivery_id = row.id;
        match Claimed::try_from(row) {
            Ok(one) => claimed.push(one),
            Err(error) => {
                let error = chain(&error);
                tracing::error!(%delivery_id, error, "a delivery makes no sense");
            }
        }
    }
    Ok(claimed)
}

/// Writes that deliveries are on their way. That is a fact, whoever else is
/// trying.
///
/// # Errors
/// When the database does not answer.
pub async fn sent(
    db: impl PgExecutor<'_>,
    ids: &[DeliveryId],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "UPDATE deliveries SET status = 'sent', sent_time = $2, due_time = NULL, last_error = NULL
         WHERE id = ANY($1) AND status <> 'sent'",
        &ids,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes that an attempt has failed: tried again at `retry_time`, or given up
/// without one. It counts only from who tried last.
///
/// # Errors
/// When the database does not answer.
pub async fn failed(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    code: &str,
    retry_time: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE deliveries SET
             status = CASE WHEN $4::timestamptz IS NULL THEN 'failed' ELSE 'queued' END,
             due_time = $4,
             last_error = $3
         WHERE id = $1 AND status = 'queued' AND attempts = $2",
        claimed.id.0,
        i32::try_from(claimed.attempt).unwrap_or(i32::MAX),
        code,
        retry_time,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What was sent to an account, newest first, from before a delivery on.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    db: impl PgExecutor<'_>,
    account_id: AccountId,
    before: Option<DeliveryId>,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, account_id, template, order_id, subject, status, attempts, last_error,
             create_time, sent_time
         FROM deliveries
         WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
        account_id.0,
        before.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Delivery::try_from)
    .collect()
}
