//! Calls off an order whose checkout got stuck. For staff: any account's order.

use svc_kit::{caller::Caller, error::StoreError, outbox};

use crate::{
    app::App,
    audit::{Action, AuditRecord},
    error::Error,
    order::{CancelReason, Order, OrderId, Status},
    store::{audit, orders},
};

/// Compensates a checkout: the stock is released, and what was charged goes
/// back. An order that is cancelled already stays as it is.
///
/// # Errors
/// `NotFound`, `Conflict` when the checkout has come to a good end.
#[tracing::instrument(name = "order.compensate_checkout", skip_all, fields(order_id = %id))]
pub async fn compensate_checkout(
    app: &App,
    by: &Caller,
    id: OrderId,
    reason: &str,
) -> Result<Order, Error> {
    let mut tx = app.db.begin().await?;
    let mut order = orders::lock(&mut tx, id)
        .await?
        .ok_or(Error::OrderUnknown)?;
    if order.status == Status::Cancelled {
        return Ok(order);
    }
    if !order.is_unfinished() {
        return Err(Error::CheckoutFinished(order.status));
    }
    let _ = order.cancelled_by_staff(CancelReason::compensated(), app.clock.now());
    orders::save(&mut tx, &order).await?;
    outbox::put(&mut tx, &order.cancelled(), &app.clock).await?;
    let record = AuditRecord::new(Action::CheckoutCompensated, &order, by, reason, &app.clock);
    audit::insert(&mut tx, &record).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!("checkout compensated");
    Ok(order)
}
