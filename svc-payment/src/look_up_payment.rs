//! The payment for an order, for services of the mesh.

use crate::{
    app::App,
    error::Error,
    payment::{OrderId, Payment},
    store::payments,
};

/// Reads a payment as it is now: somebody is going to decide by it.
///
/// # Errors
/// [`Error::NotFound`] when none was requested yet.
pub async fn look_up_payment(app: &App, order_id: OrderId) -> Result<Payment, Error> {
    payments::of_order(app.db.writer(), order_id)
        .await?
        .ok_or(Error::NotFound)
}
