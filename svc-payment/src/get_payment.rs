//! The payment for an order, and what of it goes back.

use svc_kit::caller::Caller;

use crate::{
    app::App,
    error::Error,
    payment::{OrderId, Payment},
    refund::Refund,
    store::{payments, refunds},
};

/// The most refunds that are shown with their payment.
pub const MAX_REFUNDS: u32 = 100;

/// Reads the caller's payment, or for staff anybody's, and its refunds, oldest
/// first.
///
/// # Errors
/// [`Error::NotFound`] also when it is somebody else's.
pub async fn get_payment(
    app: &App,
    caller: &Caller,
    order_id: OrderId,
) -> Result<(Payment, Vec<Refund>), Error> {
    let db = app.db.reader();
    let payment = payments::of_order(db, order_id)
        .await?
        .filter(|payment| payment.account_id == caller.account_id || caller.is_staff())
        .ok_or(Error::NotFound)?;
    let refunds = refunds::of_payment(db, payment.id, MAX_REFUNDS).await?;
    Ok((payment, refunds))
}
