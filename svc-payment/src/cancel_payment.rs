//! Undoes the payment of a cancelled order, whatever has become of it so far,
//! and also if it has not been requested yet.

use sqlx::PgConnection;

use crate::{
    app::App,
    error::Error,
    payment::{Cancelled, OrderId},
    refund::Cause,
    refund_payment::request_refund,
    store::{checkouts, payments},
};

/// Notes that the order was cancelled, so that nothing is charged for it from
/// now on; what was charged goes back, as far as it did not already.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel_payment(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
) -> Result<(), Error> {
    let now = app.clock.now();
    checkouts::lock(tx, order_id, now).await?;
    checkouts::cancel(tx, order_id, now).await?;
    let Some(payment) = payments::lock_of_order(tx, order_id).await? else {
        tracing::info!(%order_id, "order cancelled before its payment was requested");
        return Ok(());
    };
    let cancelled = payment.cancelled();
    tracing::info!(%order_id, payment_id = %payment.id, ?cancelled, "order cancelled");
    match cancelled {
        Cancelled::BeforeCharge => {
            let outcome = (payment.id, payments::Outcome::Cancelled);
            payments::conclude(tx, &[outcome], now).await?;
        }
        Cancelled::MustRefund => {
            let left = payment.refundable();
            request_refund(app, tx, &payment, left, Cause::OrderCancelled).await?;
        }
        // Whoever learns what became of the charge sees the wish.
        Cancelled::InFlight | Cancelled::Nothing => {}
    }
    Ok(())
}
