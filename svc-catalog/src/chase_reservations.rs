//! Asks what became of orders whose reservations are held for too long. It
//! frees nothing by itself: the order may be paid, and word of it still on its
//! way, be it for hours. svc-order answers with a cancellation, which gives the
//! stock back, or with the confirmation.

use proto::souk::event::v1::ReservationOverdue;
use svc_kit::{error::StoreError, outbox};

use crate::{app::App, reserve_stock::after, store::reservations};

/// How many orders are asked about in one transaction.
pub const BATCH: i64 = 100;

/// Asks about the orders that are overdue, and, if no answer comes, again after
/// as long as a reservation is held. Returns how many.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.chase_reservations", skip_all)]
pub async fn chase_reservations(app: &App) -> Result<usize, StoreError> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let next = after(now, app.reservation_ttl);
    let overdue = reservations::take_overdue(&mut tx, now, next, BATCH).await?;
    let mut events = outbox::Batch::new(&app.clock);
    for order_id in &overdue {
        tracing::warn!(%order_id, "reservation overdue");
        events.add(&ReservationOverdue {
            order_id: order_id.to_string(),
        })?;
    }
    events.put(&mut tx).await?;
    tx.commit().await?;
    Ok(overdue.len())
}
