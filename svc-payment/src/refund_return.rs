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

/// What svc-order has promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundReturn {
    /// Of which order.
    pub order_id: OrderId,
    /// For which return of it.
    pub return_id: ReturnId,
    /// How much; more than nothing.
    pub amount: Money,
}

/// Queues the refund of a return, once. What is on its way back already, by the
/// will of staff, svc-order did not know when it promised: then the rest of the
/// payment goes back. All that was paid is back with that, so that svc-order owes
/// nothing more once it has heard of both.
///
/// # Errors
/// [`Error::NotFound`] and [`Error::NotCaptured`] when the payment is not that
/// far yet, [`Error::RefundTooLarge`] when nothing is left, [`Error::OtherRefund`].
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
    if let Some(earlier) = refunds::promised(tx, return_id).await? {
        return if earlier == (order_id, amount) {
            Ok(())
        } else {
            Err(Error::OtherRefund)
        };
    }
    let given = match payment.may_refund(amount) {
        MayRefund::Yes => amount,
        MayRefund::NotYet => return Err(Error::NotCaptured),
        MayRefund::AtMost(left) if left.minor > 0 && left.currency == amount.currency => left,
        MayRefund::AtMost(left) => return Err(Error::RefundTooLarge(left)),
    };
    let cause = Cause::OrderReturned(return_id);
    let Some(refund) = request_refund(app, tx, &payment, given, cause).await? else {
        // The same return, at the same moment, of another order.
        return Err(Error::OtherRefund);
    };
    if given != amount {
        tracing::warn!(
            %order_id,
            %return_id,
            promised = %amount,
            %given,
            "less is left of the payment than the return was promised"
        );
        refunds::note_promised(tx, refund.id, amount).await?;
    }
    Ok(())
}
