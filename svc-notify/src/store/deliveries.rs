//! The table `deliveries`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, fault, id::AccountId};
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
pub struct NewDelivery<'a> {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub account_id: AccountId,
    /// What they are told.
    pub notice: &'a Notice,
    /// Its subject line.
    pub subject: &'a str,
    /// The trace that it belongs to.
    pub trace_parent: Option<&'a str>,
}

/// Queues a delivery, due at once. False if its event was told before.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_once(
    tx: &mut PgConnection,
    delivery: &NewDelivery<'_>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO deliveries (id, account_id, event_key, channel, template, order_id, subject,
             notice, status, due_time, trace_parent, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $10, $9, $10)
         ON CONFLICT (event_key, channel) DO NOTHING",
        delivery.id.0,
        delivery.account_id.0,
        delivery.notice.event_key(),
        EMAIL,
        delivery.notice.template().as_str(),
        delivery.notice.order_id(),
        delivery.subject,
        serde_json::to_value(delivery.notice).map_err(corrupt)?,
        delivery.trace_parent,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Whether an event has been told, or is about to be.
///
/// # Errors
/// When the database does not answer.
pub async fn is_told(db: impl PgExecutor<'_>, event_key: &str) -> Result<bool, StoreError> {
    let told = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM deliveries WHERE event_key = $1) AS "told!""#,
        event_key,
    )
    .fetch_one(db)
    .await?;
    Ok(told)
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

/// Claims the delivery that has been due for longest and whose contact is
/// known: nobody else gets it before the lease is over.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    db: impl PgExecutor<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query!(
        "WITH due AS (
             SELECT deliveries.id, email, display_name
             FROM deliveries JOIN contacts USING (account_id)
             WHERE status = 'queued' AND due_time <= $1
             ORDER BY due_time LIMIT 1
             FOR UPDATE OF deliveries SKIP LOCKED
         )
         UPDATE deliveries SET attempts = attempts + 1, due_time = $2
         FROM due WHERE deliveries.id = due.id
         RETURNING deliveries.id, account_id, attempts, notice, trace_parent, create_time,
             email, display_name",
        now,
        now + fault::patience(LEASE),
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Claimed {
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
    })
    .transpose()
}

/// Writes that a delivery is on its way. That is a fact, whoever else is trying.
///
/// # Errors
/// When the database does not answer.
pub async fn sent(
    db: impl PgExecutor<'_>,
    id: DeliveryId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE deliveries SET status = 'sent', sent_time = $2, due_time = NULL, last_error = NULL
         WHERE id = $1 AND status <> 'sent'",
        id.0,
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
