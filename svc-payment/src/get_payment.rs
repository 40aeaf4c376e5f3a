//! The payment for one of the caller's orders.

use svc_kit::caller::Caller;

use crate::{
    app::App,
    error::Error,
    payment::{OrderId, Payment},
    store::payments,
};

/// Reads the caller's payment.
///
/// # Errors
/// [`Error::NotFound`] also when it is somebody else's.
pub async fn get_payment(app: &App, caller: &Caller, order_id: OrderId) -> Result<Payment, Error> {
    payments::of_order(app.db.reader(), order_id)
        .await?
        .filter(|payment| payment.account_id == caller.account_id)
        .ok_or(Error::NotFound)
}
