//! Takes back what cancelled orders were promised, or were given.

use sqlx::PgConnection;
use svc_kit::error::StoreError;

use crate::{
    app::App,
    change_stock::change_stock,
    reservation::{OrderId, Status},
    shelf::Shelf,
    store::{reservations, stock},
};

/// Gives the stock of cancelled orders back, whatever state it is in. An order
/// that is not known yet is noted, so that it reserves nothing when it comes.
///
/// # Errors
/// Those of the database.
pub async fn release_stock(
    app: &App,
    tx: &mut PgConnection,
    order_ids: &[OrderId],
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let unknown = reservations::insert_all(tx, order_ids, Status::Released, now, now).await?;
    let known: Vec<OrderId> = order_ids
        .iter()
        .filter(|id| !unknown.contains(id))
        .copied()
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let mut reservations = reservations::lock_all(tx, &known).await?;
    reservations.retain(|_, reservation| reservation.status != Status::Released);

    let mut products: Vec<_> = reservations
        .values()
        .flat_map(|reservation| reservation.lines.product_ids())
        .collect();
    products.sort_unstable();
    products.dedup();
    let mut shelf = Shelf::new(stock::lock(tx, &products).await?);
    for reservation in reservations.values() {
        match reservation.status {
            Status::Held => shelf.release(&reservation.lines),
            // Confirmed, then cancelled: the goods have not left the house.
            Status::Committed => shelf.put_back(&reservation.lines),
            Status::Expired | Status::Rejected | Status::Released => {}
        }
    }
    let released: Vec<OrderId> = reservations.keys().copied().collect();
    reservations::set_status(tx, &released, Status::Released, now).await?;
    let (before, after) = shelf.into_change();
    change_stock(app, tx, &before, &after).await
}
