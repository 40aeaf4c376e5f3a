//! Hands a confirmed order to a carrier. For staff: any account's order.

use svc_kit::{error::StoreError, outbox};

use crate::{
    app::App,
    error::Error,
    order::{Order, OrderId, Shipment, lifecycle::Shipped},
    review::ReviewState,
    store::{orders, reviews},
};

/// Ships an order. The same again changes nothing.
///
/// # Errors
/// `NotFound`, `Conflict` when it is not confirmed, was shipped otherwise, or is
/// in review.
#[tracing::instrument(name = "order.ship_order", skip_all, fields(order_id = %id))]
pub async fn ship_order(app: &App, id: OrderId, shipment: Shipment) -> Result<Order, Error> {
    let mut tx = app.db.begin().await?;
    let mut order = orders::lock(&mut tx, id)
        .await?
        .ok_or(Error::OrderUnknown)?;
    match order.shipped(shipment, app.clock.now()) {
        Shipped::Already => return Ok(order),
        Shipped::Otherwise => return Err(Error::OrderShipped),
        Shipped::NotConfirmed => return Err(Error::OrderNotConfirmed(order.status)),
        Shipped::Shipped => {}
    }
    let review = reviews::find(&mut tx, order.account_id, id).await?;
    if review.is_some_and(|review| review.state == ReviewState::Pending) {
        return Err(Error::OrderInReview);
    }
    orders::save(&mut tx, &order).await?;
    outbox::put(&mut tx, &order.handed_over(), &app.clock).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!("shipped");
    Ok(order)
}
