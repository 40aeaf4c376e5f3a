//! The table `refunds`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{error::StoreError, fault};
use uuid::Uuid;

use super::{LEASE, count, money, read};
use crate::{
    payment::{OrderId, PaymentId},
    refund::{Call, Refund, RefundId},
};

const TABLE: &str = "refunds";

struct Row {
    id: Uuid,
    payment_id: Uuid,
    order_id: Uuid,
    status: String,
    currency: String,
    amount_minor: i64,
    attempts: i32,
}

impl TryFrom<Row> for Refund {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: RefundId(row.id),
            payment_id: PaymentId(row.payment_id),
            order_id: OrderId(row.order_id),
            status: read(TABLE, &row.status)?,
            amount: money(TABLE, &row.currency, row.amount_minor)?,
            attempts: count(TABLE, row.attempts)?,
        })
    }
}

/// Writes a refund, due at once; a payment that has one keeps it.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_once(
    tx: &mut PgConnection,
    refund: &Refund,
    trace_parent: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO refunds (id, payment_id, order_id, status, currency, amount_minor, due_time,
             trace_parent, create_time, update_time)
         VALUES ($1, $2, $3, 'requested', $4, $5, $6, $7, $6, $6)
         ON CONFLICT (payment_id) DO NOTHING",
        refund.id.0,
        refund.payment_id.0,
        refund.order_id.0,
        refund.amount.currency.code(),
        refund.amount.minor,
        now,
        trace_parent,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A refund that somebody has claimed, and what to ask the provider.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The refund, this attempt counted.
    pub refund: Refund,
    /// What to ask.
    pub call: Call,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
}

/// Claims the refund that has been due for longest: nobody else gets it before
/// the lease is over. Should the outcome of this attempt get lost, the next one
/// looks it up.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query!(
        r#"WITH due AS (
             SELECT id, next_call = 'refund' AS refund FROM refunds
             WHERE status = 'requested' AND due_time <= $1
             ORDER BY due_time LIMIT 1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE refunds SET
             attempts = attempts + 1, due_time = $2, next_call = 'look_up', update_time = $1
         FROM due WHERE refunds.id = due.id
         RETURNING refunds.id, payment_id, order_id, status, currency, amount_minor, attempts,
             trace_parent, due.refund AS "refund!""#,
        now,
        now + fault::patience(LEASE),
    )
    .fetch_optional(tx)
    .await?;
    row.map(|row| {
        Ok(Claimed {
            call: if row.refund {
                Call::Refund
            } else {
                Call::LookUp
            },
            trace_parent: row.trace_parent,
            refund: Row {
                id: row.id,
                payment_id: row.payment_id,
                order_id: row.order_id,
                status: row.status,
                currency: row.currency,
                amount_minor: row.amount_minor,
                attempts: row.attempts,
            }
            .try_into()?,
        })
    })
    .transpose()
}

/// A refund, held until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(tx: &mut PgConnection, id: RefundId) -> Result<Option<Refund>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, payment_id, order_id, status, currency, amount_minor, attempts
         FROM refunds WHERE id = $1 FOR UPDATE",
        id.0,
    )
    .fetch_optional(tx)
    .await?
    .map(Refund::try_from)
    .transpose()
}

/// Says what to ask the provider next, and when. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn ask_again(
    tx: &mut PgConnection,
    id: RefundId,
    call: Call,
    due_time: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE refunds SET next_call = $2, due_time = $3
         WHERE id = $1 AND status = 'requested'",
        id.0,
        call.as_str(),
        due_time,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes that the customer has the money back. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(
    tx: &mut PgConnection,
    id: RefundId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE refunds SET status = 'refunded', due_time = NULL, update_time = $2 WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
