//! Gives up reservations that were held for too long. The order's own
//! reconciler cancels it earlier; nothing is announced but the products that
//! can be ordered again.

use svc_kit::error::StoreError;

use crate::{app::App, release_stock::give_back, reservation::Status, store::reservations};

/// Gives up one reservation; false when none is due.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.expire_reservation", skip_all)]
pub async fn expire_reservation(app: &App) -> Result<bool, StoreError> {
    let mut tx = app.db.begin().await?;
    let Some(reservation) = reservations::lock_expired(&mut tx, app.clock.now()).await? else {
        return Ok(false);
    };
    tracing::warn!(order_id = %reservation.order_id, "reservation expired");
    give_back(app, &mut tx, &reservation, Status::Expired).await?;
    tx.commit().await?;
    Ok(true)
}
