//! Takes note of payments that svc-order asks for. It charges nothing: a worker
//! does, after the commit.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{consumer::Heard, id::AccountId, money::Money, outbox, telemetry};
use tracing::Span;

use crate::{
    announce_outcome::announce_outcome,
    app::App,
    error::Error,
    payment::{OrderId, Payment, PaymentId, PaymentToken, Status},
    store::{
        checkouts,
        payments::{self, NewPayment},
    },
};

/// What svc-order asks for.
#[derive(Debug, Clone)]
pub struct RequestPayment {
    /// For which order.
    pub order_id: OrderId,
    /// Under which id, chosen by svc-order.
    pub payment_id: PaymentId,
    /// Who pays.
    pub account_id: AccountId,
    /// How much; more than nothing.
    pub amount: Money,
    /// With what.
    pub token: PaymentToken,
}

/// Records each payment once. If the order was cancelled before, the payment is
/// recorded as cancelled and never charged. To a repeat of a payment that is
/// concluded, the outcome is announced again: svc-order asks again when it has
/// not heard of it.
///
/// # Errors
/// [`Error::OtherPayment`] when an order has a different payment; nothing is
/// recorded then.
pub async fn request_payments(
    app: &App,
    tx: &mut PgConnection,
    asked: Vec<Heard<RequestPayment>>,
) -> Result<(), Error> {
    let now = app.clock.now();
    let order_ids: Vec<OrderId> = asked.iter().map(|one| one.event.order_id).collect();
    let cancelled = checkouts::lock_all(tx, &order_ids, now).await?;
    let (requested, spans): (Vec<NewPayment>, Vec<Span>) = asked
        .into_iter()
        .map(|Heard { event, span }| {
            let order_cancelled = cancelled.contains(&event.order_id);
            let trace_parent = span.in_scope(telemetry::current_traceparent);
            (event.payment(order_cancelled, trace_parent, now), span)
        })
        .unzip();
    let mut new = payments::insert_once(tx, &requested).await?;
    let mut announced = outbox::Batch::new(&app.clock);
    for (NewPayment { payment, .. }, span) in requested.iter().zip(spans) {
        if new.remove(&(payment.id, payment.order_id)) {
            span.in_scope(|| {
                tracing::info!(
                    order_id = %payment.order_id,
                    payment_id = %payment.id,
                    order_cancelled = payment.status == Status::Cancelled,
                    "payment requested"
                );
            });
            continue;
        }
        match payments::of_order(&mut *tx, payment.order_id).await? {
            Some(earlier) if earlier.is_same_request(payment) => {
                span.in_scope(|| announce_outcome(&mut announced, &earlier))?;
            }
            _ => return Err(Error::OtherPayment),
        }
    }
    Ok(announced.put(tx).await?)
}

impl RequestPayment {
    fn payment(
        self,
        order_cancelled: bool,
        trace_parent: Option<String>,
        now: DateTime<Utc>,
    ) -> NewPayment {
        let nothing = Money::zero(self.amount.currency);
        NewPayment {
            payment: Payment {
                id: self.payment_id,
                order_id: self.order_id,
                account_id: self.account_id,
                status: if order_cancelled {
                    Status::Cancelled
                } else {
                    Status::Requested
                },
                amount: self.amount,
                refunded: nothing,
                refund_requested: nothing,
                failure_reason: None,
                attempts: 0,
                last_charge_time: None,
                create_time: now,
            },
            token: (!order_cancelled).then_some(self.token),
            trace_parent,
        }
    }
}
