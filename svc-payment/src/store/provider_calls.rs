//! The table `provider_calls`: what the provider was asked, and what it said.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;

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

impl CallKey {
    fn number(self) -> i32 {
        i32::try_from(self.number).unwrap_or(i32::MAX)
    }
}

/// Records a call that is about to be made.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    tx: &mut PgConnection,
    key: CallKey,
    call: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO provider_calls (payment_id, refund_id, number, call, begin_time)
         VALUES ($1, $2, $3, $4, $5)",
        key.payment_id.0,
        key.refund_id.map(|id| id.0),
        key.number(),
        call,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records the answer to a call.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    tx: &mut PgConnection,
    key: CallKey,
    outcome: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE provider_calls SET end_time = $4, outcome = $5
         WHERE payment_id = $1 AND refund_id IS NOT DISTINCT FROM $2 AND number = $3",
        key.payment_id.0,
        key.refund_id.map(|id| id.0),
        key.number(),
        now,
        outcome,
    )
    .execute(tx)
    .await?;
    Ok(())
}
