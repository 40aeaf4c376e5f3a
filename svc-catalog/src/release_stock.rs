//! Takes back what an order was promised, or was given.

use sqlx::PgConnection;
use svc_kit::error::StoreError;

use crate::{
    app::App,
    change_stock::change_stock,
    reservation::{Lines, OrderId, Reservation, Status},
    stock::Stock,
    store::{reservations, stock},
};

/// Gives the stock of a cancelled order back, whatever state it is in. An order
/// that is not known yet is noted, so that it reserves nothing when it comes.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.release_stock", skip_all, fields(%order_id))]
pub async fn release_stock(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    if reservations::insert(tx, order_id, Status::Released, now, now).await? {
        return Ok(());
    }
    let Some(reservation) = reservations::lock(tx, order_id).await? else {
        return Ok(()); // never: its row is there, and rows stay
    };
    give_back(app, tx, &reservation, Status::Released).await
}

/// Gives back what a reservation holds that the caller has locked, and notes
/// why.
///
/// # Errors
/// Those of the database.
pub async fn give_back(
    app: &App,
    tx: &mut PgConnection,
    reservation: &Reservation,
    why: Status,
) -> Result<(), StoreError> {
    let order_id = reservation.order_id;
    match reservation.status {
        Status::Released => return Ok(()),
        Status::Held => put(app, tx, &reservation.lines, Stock::release).await?,
        // Confirmed, then cancelled: the goods have not left the house.
        Status::Committed => put(app, tx, &reservation.lines, Stock::put_back).await?,
        Status::Expired | Status::Rejected => {}
    }
    reservations::set_status(tx, order_id, why, app.clock.now()).await
}

async fn put(
    app: &App,
    tx: &mut PgConnection,
    lines: &Lines,
    back: impl Fn(Stock, i64) -> Stock,
) -> Result<(), StoreError> {
    let before = stock::lock(tx, &lines.product_ids()).await?;
    let after: Vec<Stock> = before
        .iter()
        .map(|stock| back(*stock, lines.quantity(stock.product_id)))
        .collect();
    change_stock(app, tx, &before, &after).await
}
