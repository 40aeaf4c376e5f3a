//! Records that a shipped order arrived. For staff: any account's order.

use svc_kit::error::StoreError;

use crate::{
    app::App,
    error::Error,
    order::{Order, OrderId, lifecycle::Delivered},
    store::orders,
};

/// Delivers an order. The same again changes nothing.
///
/// # Errors
/// `NotFound`, `Conflict` when it is not shipped.
#[tracing::instrument(name = "order.deliver_order", skip_all, fields(order_id = %id))]
pub async fn deliver_order(app: &App, id: OrderId) -> Result<Order, Error> {
    let mut tx = app.db.begin().await?;
    let mut order = orders::lock(&mut tx, id)
        .await?
        .ok_or(Error::OrderUnknown)?;
    match order.delivered(app.clock.now()) {
        Delivered::Already => return Ok(order),
        Delivered::NotShipped => return Err(Error::OrderNotShipped(order.status)),
        Delivered::Delivered => {}
    }
    orders::save(&mut tx, &order).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!("delivered");
    Ok(order)
}
