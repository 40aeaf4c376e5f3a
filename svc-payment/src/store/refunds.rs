//! The table `refunds`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, fault, id::AccountId, money::Money};
use uuid::Uuid;

use super::{LEASE, count, money, read};
use crate::{
    payment::{OrderId, PaymentId},
    provider::ProviderName,
    reason::Reason,
    refund::{Call, Cause, Refund, RefundId, ReturnId, StaffRequest, Status},
};

const TABLE: &str = "refunds";

struct Row {
    id: Uuid,
    payment_id: Uuid,
    order_id: Uuid,
    status: String,
    cause: String,
    return_id: Option<Uuid>,
    request_id: Option<Uuid>,
    reason: Option<String>,
    staff_id: Option<Uuid>,
    currency: String,
    amount_minor: i64,
    attempts: i32,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl TryFrom<Row> for Refund {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let cause = match (
            row.cause.as_str(),
            row.return_id,
            row.request_id,
            row.reason,
            row.staff_id,
        ) {
            ("order_cancelled", ..) => Cause::OrderCancelled,
            ("order_returned", Some(return_id), ..) => Cause::OrderReturned(ReturnId(return_id)),
            ("staff", _, Some(request_id), Some(reason), Some(staff_id)) => {
                Cause::Staff(StaffRequest {
                    request_id,
                    reason: Reason::stored(reason),
                    staff_id: AccountId(staff_id),
                })
            }
            (cause, ..) => {
                return Err(StoreError::Corrupt {
                    table: TABLE,
                    why: format!("the cause is '{cause}', and its columns do not fit"),
                });
            }
        };
        Ok(Self {
            id: RefundId(row.id),
            payment_id: PaymentId(row.payment_id),
            order_id: OrderId(row.order_id),
            status: read(TABLE, &row.status)?,
            cause,
            amount: money(TABLE, &row.currency, row.amount_minor)?,
            attempts: count(TABLE, row.attempts)?,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}

/// Writes a refund, due at once; the database adds it to those of its payment.
/// False if its return or its request has one already.
///
/// # Errors
/// When the database does not answer, or refuses to give back more than was
/// captured.
pub async fn insert_once(
    tx: &mut PgConnection,
    refund: &Refund,
    trace_parent: Option<&str>,
) -> Result<bool, StoreError> {
    let staff = refund.cause.staff();
    let inserted = sqlx::query!(
        "INSERT INTO refunds (id, payment_id, order_id, status, cause, return_id, request_id,
             reason, staff_id, currency, amount_minor, due_time, trace_parent, create_time,
             update_time)
         VALUES ($1, $2, $3, 'requested', $4, $5, $6, $7, $8, $9, $10, $11, $12, $11, $11)
         ON CONFLICT DO NOTHING",
        refund.id.0,
        refund.payment_id.0,
        refund.order_id.0,
        refund.cause.as_str(),
        refund.cause.return_id().map(|id| id.0),
        staff.map(|request| request.request_id),
        staff.map(|request| request.reason.expose()),
        staff.map(|request| request.staff_id.0),
        refund.amount.currency.code(),
        refund.amount.minor,
        refund.create_time,
        trace_parent,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A refund that somebody has claimed, and what to ask the provider.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The refund, this attempt counted.
    pub refund: Refund,
    /// What to ask.
    pub call: Call,
    /// Whom: where its payment lies.
    pub provider: ProviderName,
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
             attempts = attempts + 1, due_time = $2, next_call = 'look_up', update_time = $1,
             last_refund_time = CASE WHEN due.refund THEN $1 ELSE last_refund_time END
         FROM due WHERE refunds.id = due.id
         RETURNING refunds.id, payment_id, order_id, status, cause, return_id, request_id, reason,
             staff_id, currency, amount_minor, attempts, create_time, update_time,
             trace_parent, due.refund AS "refund!",
             (SELECT provider FROM payments WHERE payments.id = payment_id) AS "provider!""#,
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
            provider: read(TABLE, &row.provider)?,
            trace_parent: row.trace_parent,
            refund: Row {
                id: row.id,
                payment_id: row.payment_id,
                order_id: row.order_id,
                status: row.status,
                cause: row.cause,
                return_id: row.return_id,
                request_id: row.request_id,
                reason: row.reason,
                staff_id: row.staff_id,
                currency: row.currency,
                amount_minor: row.amount_minor,
                attempts: row.attempts,
                create_time: row.create_time,
                update_time: row.update_time,
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
        "SELECT id, payment_id, order_id, status, cause, return_id, request_id, reason, staff_id,
             currency, amount_minor, attempts, create_time, update_time
         FROM refunds WHERE id = $1 FOR UPDATE",
        id.0,
    )
    .fetch_optional(tx)
    .await?
    .map(Refund::try_from)
    .transpose()
}

/// What a provider needs to know of a refund to find it in its own records.
#[derive(Debug, Clone, Copy)]
pub struct Filed {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// How often it was refused and asked for again.
    pub retries: u32,
}

/// What a provider finds a refund by.
///
/// # Errors
/// When the database does not answer.
pub async fn filed(db: impl PgExecutor<'_>, id: RefundId) -> Result<Option<Filed>, StoreError> {
    let row = sqlx::query!(
        "SELECT payment_id, retries FROM refunds WHERE id = $1",
        id.0
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Filed {
            payment_id: PaymentId(row.payment_id),
            retries: count(TABLE, row.retries)?,
        })
    })
    .transpose()
}

/// A refund.
///
/// # Errors
/// When the database does not answer.
pub async fn get(db: impl PgExecutor<'_>, id: RefundId) -> Result<Option<Refund>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, payment_id, order_id, status, cause, return_id, request_id, reason, staff_id,
             currency, amount_minor, attempts, create_time, update_time
         FROM refunds WHERE id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?
    .map(Refund::try_from)
    .transpose()
}

/// What a return was promised, of which order, if it has a refund. That may be
/// over less.
///
/// # Errors
/// When the database does not answer.
pub async fn promised(
    tx: &mut PgConnection,
    return_id: ReturnId,
) -> Result<Option<(OrderId, Money)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT order_id, currency, coalesce(promised_minor, amount_minor) AS "minor!"
           FROM refunds WHERE return_id = $1"#,
        return_id.0,
    )
    .fetch_optional(tx)
    .await?;
    row.map(|row| {
        Ok((
            OrderId(row.order_id),
            money(TABLE, &row.currency, row.minor)?,
        ))
    })
    .transpose()
}

/// Notes that a return was promised more than its refund is over. The row must
/// be held.
///
/// # Errors
/// When the database does not answer, or it is not more.
pub async fn note_promised(
    tx: &mut PgConnection,
    id: RefundId,
    promised: Money,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE refunds SET promised_minor = $2 WHERE id = $1",
        id.0,
        promised.minor,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The refund of a request of staff.
///
/// # Errors
/// When the database does not answer.
pub async fn of_request(
    tx: &mut PgConnection,
    request_id: Uuid,
) -> Result<Option<Refund>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, payment_id, order_id, status, cause, return_id, request_id, reason, staff_id,
             currency, amount_minor, attempts, create_time, update_time
         FROM refunds WHERE request_id = $1",
        request_id,
    )
    .fetch_optional(tx)
    .await?
    .map(Refund::try_from)
    .transpose()
}

/// The refunds of a payment, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_payment(
    db: impl PgExecutor<'_>,
    payment_id: PaymentId,
    limit: u32,
) -> Result<Vec<Refund>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, payment_id, order_id, status, cause, return_id, request_id, reason, staff_id,
             currency, amount_minor, attempts, create_time, update_time
         FROM refunds WHERE payment_id = $1 ORDER BY id LIMIT $2",
        payment_id.0,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Refund::try_from)
    .collect()
}

/// Refunds of all orders, newest first, from after the given one on.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    db: impl PgExecutor<'_>,
    status: Option<Status>,
    after: Option<RefundId>,
    limit: u32,
) -> Result<Vec<Refund>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, payment_id, order_id, status, cause, return_id, request_id, reason, staff_id,
             currency, amount_minor, attempts, create_time, update_time
         FROM refunds
         WHERE ($1::text IS NULL OR status = $1) AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
        status.map(Status::as_str),
        after.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Refund::try_from)
    .collect()
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

/// Writes that the provider will not. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn refuse(
    tx: &mut PgConnection,
    id: RefundId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE refunds SET status = 'refused', due_time = NULL, update_time = $2 WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes a refused refund due again. The provider has said that it was not
/// done, so it is asked for it, not after it; as it may have kept that answer
/// under the key of this try, the next one has another. The row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn retry(
    tx: &mut PgConnection,
    id: RefundId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE refunds SET status = 'requested', next_call = 'refund', retries = retries + 1,
             due_time = $2, update_time = $2
         WHERE id = $1 AND status = 'refused'",
        id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
