//! The schema `sandbox`: the records of the provider for development. Only
//! `provider::sandbox` uses it, over connections of its own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, money::Money};
use uuid::Uuid;

use super::{money, read};
use crate::{
    payment::PaymentId,
    provider::{Decline, Receipt, Record, RecordKind, RecordState},
    refund::RefundId,
};

const TABLE: &str = "sandbox.charges";

/// A charge as the sandbox has recorded it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) amount: Money,
    /// What the sandbox keeps of it.
    pub(crate) fee: Money,
    /// None: captured.
    pub(crate) decline: Option<Decline>,
}

impl Charge {
    /// What the sandbox says of it once it is captured.
    pub(crate) fn receipt(&self) -> Receipt {
        Receipt { fee: self.fee }
    }
}

/// How the sandbox behaves at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// It answers at once.
    Normal,
    /// It answers after a while.
    Slow(Duration),
    /// It does not answer, and does nothing.
    Down,
}

/// Reads how the sandbox is to behave.
pub(crate) async fn conditions(db: impl PgExecutor<'_>) -> Result<Conditions, StoreError> {
    let row = sqlx::query!("SELECT mode, delay_ms FROM sandbox.conditions")
        .fetch_optional(db)
        .await?;
    let Some(row) = row else {
        return Ok(Conditions::Normal);
    };
    Ok(match row.mode.as_str() {
        "down" => Conditions::Down,
        "slow" => Conditions::Slow(Duration::from_millis(
            u64::try_from(row.delay_ms).unwrap_or_default(),
        )),
        _ => Conditions::Normal,
    })
}

struct Row {
    currency: String,
    amount_minor: i64,
    fee_minor: i64,
    decline_reason: Option<String>,
}

impl TryFrom<Row> for Charge {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            amount: money(TABLE, &row.currency, row.amount_minor)?,
            fee: money(TABLE, &row.currency, row.fee_minor)?,
            decline: row
                .decline_reason
                .map(|reason| read(TABLE, &reason))
                .transpose()?,
        })
    }
}

/// Records a charge once for each payment, and says what is kept: this one, or
/// the one that was there.
pub(crate) async fn record_charge(
    db: impl PgExecutor<'_>,
    payment_id: PaymentId,
    charge: &Charge,
    now: DateTime<Utc>,
) -> Result<Charge, StoreError> {
    sqlx::query_as!(
        Row,
        "INSERT INTO sandbox.charges AS kept
             (payment_id, currency, amount_minor, fee_minor, decline_reason, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (payment_id) DO UPDATE SET payment_id = kept.payment_id
         RETURNING currency, amount_minor, fee_minor, decline_reason",
        payment_id.0,
        charge.amount.currency.code(),
        charge.amount.minor,
        charge.fee.minor,
        charge.decline.map(Decline::reason),
        now,
    )
    .fetch_one(db)
    .await?
    .try_into()
}

pub(crate) async fn charge(
    db: impl PgExecutor<'_>,
    payment_id: PaymentId,
) -> Result<Option<Charge>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT currency, amount_minor, fee_minor, decline_reason
         FROM sandbox.charges WHERE payment_id = $1",
        payment_id.0,
    )
    .fetch_optional(db)
    .await?
    .map(Charge::try_from)
    .transpose()
}

pub(crate) async fn lock_charge(
    tx: &mut PgConnection,
    payment_id: PaymentId,
) -> Result<Option<Charge>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT currency, amount_minor, fee_minor, decline_reason FROM sandbox.charges
         WHERE payment_id = $1 FOR UPDATE",
        payment_id.0,
    )
    .fetch_optional(tx)
    .await?
    .map(Charge::try_from)
    .transpose()
}

pub(crate) async fn has_refund(
    tx: &mut PgConnection,
    refund_id: RefundId,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM sandbox.refunds WHERE refund_id = $1) AS "found!""#,
        refund_id.0,
    )
    .fetch_one(tx)
    .await?;
    Ok(found)
}

pub(crate) async fn refunded_minor(
    tx: &mut PgConnection,
    payment_id: PaymentId,
) -> Result<i64, StoreError> {
    let refunded = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(amount_minor), 0)::bigint AS "refunded!"
           FROM sandbox.refunds WHERE payment_id = $1"#,
        payment_id.0,
    )
    .fetch_one(tx)
    .await?;
    Ok(refunded)
}

pub(crate) async fn insert_refund(
    tx: &mut PgConnection,
    refund_id: RefundId,
    payment_id: PaymentId,
    amount: Money,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO sandbox.refunds (refund_id, payment_id, currency, amount_minor, create_time)
         VALUES ($1, $2, $3, $4, $5)",
        refund_id.0,
        payment_id.0,
        amount.currency.code(),
        amount.minor,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Where a list goes on: the time, kind and id of the last one.
pub(crate) type Position = (DateTime<Utc>, String, Uuid);

/// Charges and refunds of a span of time, oldest first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let (time, kind, id) = after.unwrap_or((from, String::new(), Uuid::nil()));
    let rows = sqlx::query!(
        r#"SELECT kind AS "kind!", id AS "id!", currency AS "currency!",
             amount_minor AS "amount_minor!", failed AS "failed!", create_time AS "create_time!"
         FROM (
             (SELECT 'charge' AS kind, payment_id AS id, currency, amount_minor,
                  decline_reason IS NOT NULL AS failed, create_time
              FROM sandbox.charges
              WHERE create_time >= $1 AND create_time < $2
                AND (create_time, 'charge', payment_id) > ($1, $3, $4)
              ORDER BY create_time, payment_id LIMIT $5)
             UNION ALL
             (SELECT 'refund', refund_id, currency, amount_minor, false, create_time
              FROM sandbox.refunds
              WHERE create_time >= $1 AND create_time < $2
                AND (create_time, 'refund', refund_id) > ($1, $3, $4)
              ORDER BY create_time, refund_id LIMIT $5)
         ) AS records
         ORDER BY create_time, kind, id LIMIT $5"#,
        time,
        until,
        kind,
        id,
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kind: RecordKind = read(TABLE, &row.kind)?;
            Ok(Record {
                kind,
                id: Some(row.id),
                reference: format!("sandbox_{kind}_{}", row.id.simple()),
                amount: money(TABLE, &row.currency, row.amount_minor)?,
                state: if row.failed {
                    RecordState::Failed
                } else {
                    RecordState::Succeeded
                },
                time: row.create_time,
            })
        })
        .collect()
}
