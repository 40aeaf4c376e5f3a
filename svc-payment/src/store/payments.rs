//! The table `payments`.

mod claim;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, id::AccountId, money::Money};
use uuid::Uuid;

pub use claim::{Claimed, claim_due};

use super::{count, money, read};
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

/// A payment as it is requested.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// The payment.
    pub payment: Payment,
    /// With a token it is due at once; without one it must not be charged.
    pub token: Option<PaymentToken>,
    /// The trace that it belongs to.
    pub trace_parent: Option<String>,
}

/// Writes payments as they were requested, and says which it has written: those
/// of which neither the payment nor another one of its order was there.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_once(
    tx: &mut PgConnection,
    requested: &[NewPayment],
) -> Result<HashSet<(PaymentId, OrderId)>, StoreError> {
    let payments = || requested.iter().map(|new| &new.payment);
    let ids: Vec<Uuid> = payments().map(|one| one.id.0).collect();
    let order_ids: Vec<Uuid> = payments().map(|one| one.order_id.0).collect();
    let account_ids: Vec<Uuid> = payments().map(|one| one.account_id.0).collect();
    let statuses: Vec<&str> = payments().map(|one| one.status.as_str()).collect();
    let currencies: Vec<&str> = payments().map(|one| one.amount.currency.code()).collect();
    let amounts: Vec<i64> = payments().map(|one| one.amount.minor).collect();
    let tokens: Vec<Option<&str>> = requested
        .iter()
        .map(|new| new.token.as_ref().map(PaymentToken::expose))
        .collect();
    let trace_parents: Vec<Option<&str>> = requested
        .iter()
        .map(|new| new.trace_parent.as_deref())
        .collect();
    let create_times: Vec<DateTime<Utc>> = payments().map(|one| one.create_time).collect();
    let inserted = sqlx::query!(
        "INSERT INTO payments (id, order_id, account_id, status, currency, amount_minor,
             payment_token, due_time, trace_parent, create_time, update_time)
         SELECT id, order_id, account_id, status, currency, amount_minor, token,
             CASE WHEN token IS NOT NULL THEN create_time END, trace_parent, create_time,
             create_time
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
                     $7::text[], $8::text[], $9::timestamptz[])
             AS requested (id, order_id, account_id, status, currency, amount_minor, token,
                           trace_parent, create_time)
         ON CONFLICT DO NOTHING
         RETURNING id, order_id",
        &ids,
        &order_ids,
        &account_ids,
        &statuses as &[&str],
        &currencies as &[&str],
        &amounts,
        &tokens as &[Option<&str>],
        &trace_parents as &[Option<&str>],
        &create_times,
    )
    .fetch_all(tx)
    .await?;
    Ok(inserted
        .into_iter()
        .map(|row| (PaymentId(row.id), OrderId(row.order_id)))
        .collect())
}

/// The payments of orders, held until the transaction ends. They are held in
/// the order of their orders' ids.
///
/// # Errors
/// When the database does not answer.
pub async fn lock_of_orders(
    tx: &mut PgConnection,
    order_ids: &[OrderId],
) -> Result<HashMap<OrderId, Payment>, StoreError> {
    let order_ids: Vec<Uuid> = order_ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Row,
        "SELECT id, order_id, account_id, status, currency, amount_minor, refunded_minor,
             refund_requested_minor, failure_reason, attempts, last_charge_time, create_time
         FROM payments WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE",
        &order_ids,
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(|row| Ok((OrderId(row.order_id), row.try_into()?)))
    .collect()
}

/// The payment of an order, held until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock_of_order(
    tx: &mut PgConnection,
    order_id: OrderId,
) -> Result<Option<Payment>, StoreError> {
    Ok(lock_of_orders(tx, &[order_id]).await?.remove(&order_id))
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

/// Notes that the provider holds the money of these payments for us. Their rows
/// must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn note_authorized(
    tx: &mut PgConnection,
    ids: &[PaymentId],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "UPDATE payments SET authorize_time = coalesce(authorize_time, $2) WHERE id = ANY($1)",
        &ids,
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
    /// How much.
    pub amount: Money,
    /// Whom it was given to, if it was.
    pub provider: Option<ProviderName>,
    /// The provider's id for it, if it is known.
    pub reference: Option<String>,
    /// When it was requested.
    pub create_time: DateTime<Utc>,
    /// When the provider was last asked to take the money.
    pub last_charge_time: Option<DateTime<Utc>>,
}

/// Where a payment lies at its provider.
///
/// # Errors
/// When the database does not answer.
pub async fn filed(db: impl PgExecutor<'_>, id: PaymentId) -> Result<Option<Filed>, StoreError> {
    let row = sqlx::query!(
        "SELECT order_id, currency, amount_minor, provider, provider_reference, create_time,
             last_charge_time
         FROM payments WHERE id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Filed {
            order_id: OrderId(row.order_id),
            amount: money(TABLE, &row.currency, row.amount_minor)?,
            provider: row
                .provider
                .map(|provider| read(TABLE, &provider))
                .transpose()?,
            reference: row.provider_reference,
            create_time: row.create_time,
            last_charge_time: row.last_charge_time,
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

/// What the provider is asked next about a payment, and when.
#[derive(Debug, Clone, Copy)]
pub struct Again {
    /// About which payment.
    pub id: PaymentId,
    /// What.
    pub call: Call,
    /// When.
    pub due_time: DateTime<Utc>,
}

/// Says what to ask the provider next about each of these payments, and when.
/// Their rows must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn ask_again(tx: &mut PgConnection, again: &[Again]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = again.iter().map(|next| next.id.0).collect();
    let calls: Vec<&str> = again.iter().map(|next| next.call.as_str()).collect();
    let due_times: Vec<DateTime<Utc>> = again.iter().map(|next| next.due_time).collect();
    sqlx::query!(
        "UPDATE payments SET next_call = next.call, due_time = next.due_time
         FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS next (id, call, due_time)
         WHERE payments.id = next.id AND status = 'requested'",
        &ids,
        &calls as &[&str],
        &due_times,
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

impl Outcome {
    fn status(self) -> Status {
        match self {
            Self::Captured => Status::Captured,
            Self::Failed(_) => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }

    fn failure_reason(self) -> Option<&'static str> {
        match self {
            Self::Failed(decline) => Some(decline.reason()),
            Self::Captured | Self::Cancelled => None,
        }
    }
}

/// Writes what is known of payments for good, and forgets their tokens. Their
/// rows must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(
    tx: &mut PgConnection,
    outcomes: &[(PaymentId, Outcome)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = outcomes.iter().map(|(id, _)| id.0).collect();
    let statuses: Vec<&str> = outcomes
        .iter()
        .map(|(_, outcome)| outcome.status().as_str())
        .collect();
    let reasons: Vec<Option<&str>> = outcomes
        .iter()
        .map(|(_, outcome)| outcome.failure_reason())
        .collect();
    sqlx::query!(
        "UPDATE payments SET
             status = known.status,
             failure_reason = known.reason,
             captured_minor = CASE WHEN known.status = 'captured' THEN amount_minor ELSE 0 END,
             payment_token = NULL,
             due_time = NULL,
             update_time = $4
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS known (id, status, reason)
         WHERE payments.id = known.id",
        &ids,
        &statuses as &[&str],
        &reasons as &[Option<&str>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes how much of a payment has gone back. The row must be held.
///
/// # Errors
/// When the database does not answer, or refuses to give back more than was
/// asked for.
pub async fn note_refunded(
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
