//! The table `provider_calls`: what the provider was asked, and what it said.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{payment::PaymentId, refund::RefundId};

/// Which call it is.
#[derive(Debug, Clone, Copy)]
pub struct CallKey {
    /// About which payment.
    pub payment_id: PaymentId,
    /// About which refund of it; none for the charge.
    pub refund_id: Option<RefundId>,
    /// The number of the attempt, from one.
    pub number: u32,
}

/// Keys, column by column.
struct Keys {
    payment_ids: Vec<Uuid>,
    refund_ids: Vec<Option<Uuid>>,
    numbers: Vec<i32>,
}

impl Keys {
    fn of(calls: &[(CallKey, &str)]) -> Self {
        let keys = || calls.iter().map(|(key, _)| key);
        Self {
            payment_ids: keys().map(|key| key.payment_id.0).collect(),
            refund_ids: keys().map(|key| key.refund_id.map(|id| id.0)).collect(),
            numbers: keys()
                .map(|key| i32::try_from(key.number).unwrap_or(i32::MAX))
                .collect(),
        }
    }
}

/// Records calls that are about to be made, each with what it asks.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    tx: &mut PgConnection,
    calls: &[(CallKey, &str)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let keys = Keys::of(calls);
    let names: Vec<&str> = calls.iter().map(|(_, call)| *call).collect();
    sqlx::query!(
        "INSERT INTO provider_calls (payment_id, refund_id, number, call, begin_time)
         SELECT payment_id, refund_id, number, call, $5
         FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[])
             AS asked (payment_id, refund_id, number, call)",
        &keys.payment_ids,
        &keys.refund_ids as &[Option<Uuid>],
        &keys.numbers,
        &names as &[&str],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records the answers to calls.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    tx: &mut PgConnection,
    answers: &[(CallKey, &str)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let keys = Keys::of(answers);
    let outcomes: Vec<&str> = answers.iter().map(|(_, outcome)| *outcome).collect();
    sqlx::query!(
        "UPDATE provider_calls SET end_time = $5, outcome = answered.outcome
         FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[])
             AS answered (payment_id, refund_id, number, outcome)
         WHERE provider_calls.payment_id = answered.payment_id
             AND provider_calls.refund_id IS NOT DISTINCT FROM answered.refund_id
             AND provider_calls.number = answered.number",
        &keys.payment_ids,
        &keys.refund_ids as &[Option<Uuid>],
        &keys.numbers,
        &outcomes as &[&str],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
