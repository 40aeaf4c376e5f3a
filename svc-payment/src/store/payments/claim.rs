//! Who has claimed payments asks the provider about them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{
    error::{StoreError, chain},
    fault,
};
use uuid::Uuid;

use super::{super::LEASE, Row, TABLE, read};
use crate::{
    payment::{Call, Payment, PaymentId, PaymentToken},
    provider::ProviderName,
};

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

impl ClaimedRow {
    /// What was claimed, and whether it is given to a provider only now.
    fn read(self, choose: impl FnOnce() -> ProviderName) -> Result<(Claimed, bool), StoreError> {
        let call = read(TABLE, &self.call)?;
        let token = self.payment_token.ok_or_else(|| StoreError::Corrupt {
            table: TABLE,
            why: "no token to charge".to_owned(),
        })?;
        let payment = Row {
            id: self.id,
            order_id: self.order_id,
            account_id: self.account_id,
            status: self.status,
            currency: self.currency,
            amount_minor: self.amount_minor,
            refunded_minor: self.refunded_minor,
            refund_requested_minor: self.refund_requested_minor,
            failure_reason: self.failure_reason,
            attempts: self.attempts,
            last_charge_time: self.last_charge_time,
            create_time: self.create_time,
        }
        .try_into()?;
        let given = self
            .provider
            .map(|provider| read(TABLE, &provider))
            .transpose()?;
        let claimed = Claimed {
            payment,
            call,
            provider: given.unwrap_or_else(choose),
            token: PaymentToken::new(token),
            trace_parent: self.trace_parent,
        };
        Ok((claimed, given.is_none()))
    }
}

/// Claims so many payments at most, those that have been due for longest:
/// nobody else gets them before the lease is over. Should the outcome of this
/// attempt get lost, the next one looks it up. If the order was cancelled
/// meanwhile, no money is taken any more. A payment that has no provider yet is
/// given to whom `choose` says, and stays there.
///
/// A payment that makes no sense is logged and left out, and due again after the
/// lease.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    limit: u32,
    choose: impl Fn() -> ProviderName,
) -> Result<Vec<Claimed>, StoreError> {
    let rows = sqlx::query_as!(
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
             ORDER BY due_time LIMIT $3
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
        i64::from(limit),
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    let mut given = Vec::new();
    for row in rows {
        let payment_id = row.id;
        match row.read(&choose) {
            Ok((one, is_new)) => {
                if is_new {
                    given.push((one.payment.id, one.provider));
                }
                claimed.push(one);
            }
            Err(error) => {
                let error = chain(&error);
                tracing::error!(%payment_id, error, "a payment makes no sense");
            }
        }
    }
    if !given.is_empty() {
        give(tx, &given).await?;
    }
    Ok(claimed)
}

/// Remembers whom payments were given to.
async fn give(
    tx: &mut PgConnection,
    given: &[(PaymentId, ProviderName)],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = given.iter().map(|(id, _)| id.0).collect();
    let providers: Vec<&str> = given
        .iter()
        .map(|(_, provider)| provider.as_str())
        .collect();
    sqlx::query!(
        "UPDATE payments SET provider = given.provider
         FROM unnest($1::uuid[], $2::text[]) AS given (id, provider)
         WHERE payments.id = given.id",
        &ids,
        &providers as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}
