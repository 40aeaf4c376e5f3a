//! Pays a return back: some of an order came back, and svc-order says how much
//! of the money goes with it.

use sqlx::PgConnection;
use svc_kit::money::Money;

use crate::{
    app::App,
    error::Error,
    payment::{MayRefund, OrderId},
    refund::{Cause, ReturnId},
    refund_payment::request_refund,
    store::{checkouts, payments, refunds},
};

/// What svc-order asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundReturn {
    /// Of which order.
    pub order_id: OrderId,
    /// For which return of it.
    pub return_id: ReturnId,
    /// How much; more than nothing.
    pub amount: Money,
}

/// Queues the refund of a return, once.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::NotCaptured`] when the payment is not that
/// far yet, [`Error::RefundTooLarge`], [`Error::OtherRefund`].
pub async fn refund_return(
    app: &App,
    tx: &mut PgConnection,
    command: RefundReturn,
) -> Result<(), Error> {
    let RefundReturn {
        order_id,
        return_id,
        amount,
    } = command;
    checkouts::lock(tx, order_id, app.clock.now()).await?;
    let Some(payment) = payments::lock_of_order(tx, order_id).await? else {
        return Err(Error::NotFound);
    };
    if let Some(earlier) = refunds::of_return(tx, return_id).await? {
        return if (earlier.order_id, earlier.amount) == (order_id, amount) {
            Ok(())
        } else {
            Err(Error::OtherRefund)
        };
    }
    match payment.may_refund(amount) {
        MayRefund::Yes => {}
        MayRefund::NotYet => return Err(Error::NotCaptured),
        MayRefund::AtMost(left) => return Err(Error::RefundTooLarge(left)),
    }
    let cause = Cause::OrderReturned(return_id);
    match request_refund(app, tx, &payment, amount, cause).await? {
        Some(_) => Ok(()),
        // The same return, at the same moment, of another order.
        None => Err(Error::OtherRefund),
    }
}
