//! Takes note of a payment that svc-order asks for. It charges nothing: a
//! worker does, after the commit.

use sqlx::PgConnection;
use svc_kit::{id::AccountId, money::Money, telemetry};

use crate::{
    announce_outcome::announce_outcome,
    app::App,
    error::Error,
    payment::{OrderId, Payment, PaymentId, PaymentToken, Status},
    store::{checkouts, payments},
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

/// Records the payment once. If the order was cancelled before, the payment is
/// recorded as cancelled and never charged. To a repeat of a payment that is
/// concluded, the outcome is announced again: svc-order asks again when it has
/// not heard of it.
///
/// # Errors
/// [`Error::OtherPayment`] when the order has a different payment.
pub async fn request_payment(
    app: &App,
    tx: &mut PgConnection,
    command: RequestPayment,
) -> Result<(), Error> {
    let now = app.clock.now();
    let order_cancelled = checkouts::lock(tx, command.order_id, now).await?;
    let payment = Payment {
        id: command.payment_id,
        order_id: command.order_id,
        account_id: command.account_id,
        status: if order_cancelled {
            Status::Cancelled
        } else {
            Status::Requested
        },
        amount: command.amount,
        refunded: Money::zero(command.amount.currency),
        refund_requested: Money::zero(command.amount.currency),
        failure_reason: None,
        attempts: 0,
        last_charge_time: None,
        create_time: now,
    };
    let token = (!order_cancelled).then_some(&command.token);
    let trace_parent = telemetry::current_traceparent();
    if payments::insert_once(tx, &payment, token, trace_parent.as_deref()).await? {
        tracing::info!(order_id = %payment.order_id, payment_id = %payment.id, order_cancelled, "payment requested");
        return Ok(());
    }
    match payments::of_order(&mut *tx, command.order_id).await? {
        Some(earlier) if earlier.is_same_request(&payment) => {
            announce_outcome(app, tx, &earlier).await
        }
        _ => Err(Error::OtherPayment),
    }
}
