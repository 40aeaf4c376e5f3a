//! Announces the step of a checkout that got stuck again, now. For staff: any
//! account's order.

use svc_kit::{caller::Caller, error::StoreError};

use crate::{
    announce_checkout::announce_checkout,
    app::App,
    audit::{Action, AuditRecord},
    error::Error,
    order::{Order, OrderId},
    store::{audit, orders},
};

/// Retries a checkout.
///
/// # Errors
/// `NotFound`, `Conflict` when the checkout has come to an end.
#[tracing::instrument(name = "order.retry_checkout", skip_all, fields(order_id = %id))]
pub async fn retry_checkout(
    app: &App,
    by: &Caller,
    id: OrderId,
    reason: &str,
) -> Result<Order, Error> {
    let mut tx = app.db.begin().await?;
    let mut order = orders::lock(&mut tx, id)
        .await?
        .ok_or(Error::OrderUnknown)?;
    if !order.is_unfinished() {
        return Err(Error::CheckoutFinished(order.status));
    }
    order.announced_again(&app.rules, app.clock.now());
    announce_checkout(&mut tx, &order, &app.clock).await?;
    let record = AuditRecord::new(Action::CheckoutRetried, &order, by, reason, &app.clock);
    audit::insert(&mut tx, &record).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!(announcements = order.announcements, "checkout retried");
    Ok(order)
}
