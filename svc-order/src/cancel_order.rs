//! Calls an order off for its customer.

use svc_kit::{caller::Caller, error::StoreError, outbox};

use crate::{
    app::App,
    error::Error,
    order::{Order, OrderId, lifecycle::CalledOff},
    store::orders,
};

/// Cancels an order that is not shipped. Its stock goes back, and so does what
/// was paid. An order that is cancelled already stays as it is.
///
/// # Errors
/// `NotFound`, `Conflict` when it is shipped.
#[tracing::instrument(name = "order.cancel_order", skip_all, fields(order_id = %id))]
pub async fn cancel_order(app: &App, caller: &Caller, id: OrderId) -> Result<Order, Error> {
    let mut tx = app.db.begin().await?;
    let order = orders::lock_own(&mut tx, caller.account_id, id).await?;
    let mut order = order.ok_or(Error::OrderUnknown)?;
    match order.cancelled_by_customer(app.clock.now()) {
        CalledOff::Already => return Ok(order),
        CalledOff::Impossible => return Err(Error::OrderShipped),
        CalledOff::Cancelled => {}
    }
    orders::save(&mut tx, &order).await?;
    outbox::put(&mut tx, &order.cancelled(), &app.clock).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!(paid = order.paid, "cancelled by the customer");
    Ok(order)
}
