//! The table `payments`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, fault, id::AccountId};
use uuid::Uuid;

use super::{LEASE, count, money, read};
use crate::{
    payment::{Call, OrderId, Payment, PaymentId, PaymentToken, Status},
    provider::{Decline, ProviderName},
};

const TABLE: &str = "payments";

struct Row {
    id: Uuid,
    order_id: Uuid,
    account_id: Uuid,
    status: String,
    currency: String,
    amount_minor: i64,
    refunded_minor: i64,
    refund_requested_minor: i64,
    failure_reason: Option<String>,
    attempts: i32,
    last_charge_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Payment {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: PaymentId(row.id),
            order_id: OrderId(row.order_id),
            account_id: AccountId(row.account_id),
            status: read(TABLE, &row.status)?,
            amount: money(TABLE, &row.currency, row.amount_minor)?,
            refunded: money(TABLE, &row.currency, row.refunded_minor)?,
            refund_requested: money(TABLE, &row.currency, row.refund_requested_minor)?,
            failure_reason: row.failure_reason,
            attempts: count(TABLE, row.attempts)?,
            last_charge_time: row.last_charge_time,
            create_time: row.create_time,
        })
    }
}

/// Writes a payment as it was requested. With a token it is due at once;
/// without one it must not be charged. False if the payment or another one of
/// its order is there.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_once(
    tx: &mut PgConnection,
    payment: &Payment,
    token: Option<&PaymentToken>,
    trace_parent: Option<&str>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO payments (id, order_id, account_id, status, currency, amount_minor,
             payment_token, due_time, trace_parent, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         ON CONFLICT DO NOTHING",
        payment.id.0,
        payment.order_id.0,
        payment.account_id.0,
        payment.status.as_str(),
        payment.amount.currency.code(),
        payment.amount.minor,
        token.map(PaymentToken::expose),
        token.map(|_| payment.create_time),
        trace_parent,
        payment.create_time,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The payment of an order, held until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock_of_order(
    tx: &mut PgConnection,
    order_id: OrderId,
) -> Result<Option<Payment>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, order_id, account_id, status, currency, amount_minor, refunded_minor,
             refund_requested_minor, failure_reason, attempts, last_charge_time, create_time
         FROM payments WHERE order_id = $1 FOR UPDATE",
        order_id.0,
    )
    .fetch_optional(tx)
    .await?
    .map(Payment::try_from)
    .transpose()
}

/// The payment of an order.
///
/// # Errors
/// When the database does not answer.
pub async fn of_order(
    db: impl PgExecutor<'_>,
    order_id: OrderId,
) -> Result<Option<Payment>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, order_id, account_id, status, currency, amount_minor, refunded_minor,
             refund_requested_minor, failure_reason, attempts, last_charge_time, create_time
         FROM payments WHERE order_id = $1",
        order_id.0,
    )
    .fetch_optional(db)
    .await?
    .map(Payment::try_from)
    .transpose()
}

/// A payment that somebody has claimed, and what to ask the provider.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The payment, this attempt counted.
    pub payment: Payment,
    /// What to ask.
    pub call: Call,
    /// Whom: the one that it was given to first.
    pub provider: ProviderName,
    /// With what it is paid.
    pub token: PaymentToken,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
}

struct ClaimedRow {
    id: Uuid,
    order_id: Uuid,
    account_id: Uuid,
    status: String,
    currency: String,
    amount_minor: i64,
    refunded_minor: i64,
    refund_requested_minor: i64,
    failure_reason: Option<String>,
    attempts: i32,
    last_charge_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
    payment_token: Option<String>,
    trace_parent: Option<String>,
    provider: Option<String>,
    call: String,
}

/// Claims the payment that has been due for longest: nobody else gets it
/// before the lease is over. Should the outcome of this attempt get lost, the
/// next one looks it up. If the order was cancelled meanwhile, no money is taken
/// any more. A payment that has no provider yet is given to whom `choose` says,
/// and stays there.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    choose: impl FnOnce() -> ProviderName,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query_as!(
        ClaimedRow,
        r#"WITH due AS (
             SELECT payments.id, CASE
                 WHEN checkouts.cancel_time IS NULL THEN payments.next_call
                 WHEN payments.next_call = 'charge' THEN 'look_up'
                 WHEN payments.next_call = 'capture' THEN 'void'
                 ELSE payments.next_call
             END AS call
             FROM payments JOIN checkouts USING (order_id)
             WHERE status = 'requested' AND due_time <= $1
             ORDER BY due_time LIMIT 1
             FOR UPDATE OF payments SKIP LOCKED
         )
         UPDATE payments SET
             attempts = attempts + 1,
             due_time = $2,
             next_call = 'look_up',
             last_charge_time = CASE WHEN due.call = 'charge' THEN $1 ELSE last_charge_time END,
             update_time = $1
         FROM due WHERE payments.id = due.id
         RETURNING payments.id, order_id, account_id, status, currency, amount_minor,
             refunded_minor, refund_requested_minor, failure_reason, attempts, last_charge_time,
             create_time, payment_token, trace_parent, provider, due.call AS "call!""#,
        now,
        now + fault::patience(LEASE),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let id = PaymentId(row.id);
    let provider = match &row.provider {
        Some(provider) => read(TABLE, provider)?,
        None => give(tx, id, choose()).await?,
    };
    let token = row.payment_token.ok_or_else(|| StoreError::Corrupt {
        table: TABLE,
        why: "no token to charge".to_owned(),
    })?;
    Ok(Some(Claimed {
        call: read(TABLE, &row.call)?,
        provider,
        token: PaymentToken::new(token),
        trace_parent: row.trace_parent,
        payment: Row {
            id: row.id,
            order_id: row.order_id,
            account_id: row.account_id,
            status: row.status,
            currency: row.currency,
            amount_minor: row.amount_minor,
            refunded_minor: row.refunded_minor,
            refund_requested_minor: row.refund_requested_minor,
            failure_reason: row.failure_reason,
            attempts: row.attempts,
            last_charge_time: row.last_charge_time,
            create_time: row.create_time,
        }
        .try_into()?,
    }))
}

/// Remembers whom a payment was given to.
async fn give(
    tx: &mut PgConnection,
    id: PaymentId,
    provider: ProviderName,
) -> Result<ProviderName, StoreError> {
    sqlx::query!(
        "UPDATE payments SET provider = $2 WHERE id = $1",
        id.0,
        provider.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(provider)
}

/// Notes that the provider holds the money for us. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn note_authorized(
    tx: &mut PgConnection,
    id: PaymentId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE payments SET authorize_time = coalesce(authorize_time, $2) WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What a provider needs to know of a payment to find it in its own records.
#[derive(Debug, Clone)]
pub struct Filed {
    /// For which order.
    pub order_id: OrderId,
    /// Whom it was given to, if it was.
    pub provider: Option<ProviderName>,
    /// The provider's id for it, if it is known.
    pub reference: Option<String>,
}

/// Where a payment lies at its provider.
///
/// # Errors
/// When the database does not answer.
pub async fn filed(db: impl PgExecutor<'_>, id: PaymentId) -> Result<Option<Filed>, StoreError> {
    let row = sqlx::query!(
        "SELECT order_id, provider, provider_reference FROM payments WHERE id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Filed {
            order_id: OrderId(row.order_id),
            provider: row
                .provider
                .map(|provider| read(TABLE, &provider))
                .transpose()?,
            reference: row.provider_reference,
        })
    })
    .transpose()
}

/// Keeps the provider's id for a payment, if it lies there, none is known, and
/// no other payment has it.
///
/// # Errors
/// When the database does not answer.
pub async fn note_reference(
    db: impl PgExecutor<'_>,
    id: PaymentId,
    provider: ProviderName,
    reference: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE payments SET provider_reference = $3
         WHERE id = $1 AND provider = $2 AND provider_reference IS NULL
             AND NOT EXISTS (
                 SELECT FROM payments WHERE provider = $2 AND provider_reference = $3
             )",
        id.0,
        provider.as_str(),
        reference,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Says what to ask the provider next, and when. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn ask_again(
    tx: &mut PgConnection,
    id: PaymentId,
    call: Call,
    due_time: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE payments SET next_call = $2, due_time = $3
         WHERE id = $1 AND status = 'requested'",
        id.0,
        call.as_str(),
        due_time,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What is known of a payment for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was captured.
    Captured,
    /// It was declined.
    Failed(Decline),
    /// It was never charged.
    Cancelled,
}

/// Writes what is known of a payment for good, and forgets the token. The row
/// must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(
    tx: &mut PgConnection,
    id: PaymentId,
    outcome: Outcome,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (status, reason) = match outcome {
        Outcome::Captured => (Status::Captured, None),
        Outcome::Failed(decline) => (Status::Failed, Some(decline.reason())),
        Outcome::Cancelled => (Status::Cancelled, None),
    };
    sqlx::query!(
        "UPDATE payments SET
             status = $2,
             failure_reason = $3,
             captured_minor = CASE WHEN $2 = 'captured' THEN amount_minor ELSE 0 END,
             payment_token = NULL,
             due_time = NULL,
             update_time = $4
         WHERE id = $1",
        id.0,
        status.as_str(),
        reason,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes how much of a payment went back. The row must be held.
///
/// # Errors
/// When the database does not answer, or refuses to give back more than was
/// asked for.
pub async fn gave_back(
    tx: &mut PgConnection,
    payment: &Payment,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE payments SET status = $2, refunded_minor = $3, update_time = $4 WHERE id = $1",
        payment.id.0,
        payment.status.as_str(),
        payment.refunded.minor,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
