//! Hands out what confirmed orders were promised.

use std::sync::LazyLock;

use prometheus::IntCounterVec;
use sqlx::PgConnection;
use svc_kit::{consumer::Heard, error::StoreError, metrics};

use crate::{
    app::App,
    change_stock::change_stock,
    reservation::{OrderId, Status, Wanted},
    shelf::Shelf,
    store::{reservations, stock},
};

static OVERSOLD: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "catalog_oversold_orders_total",
        "Orders confirmed although nothing was reserved and nothing is left. Somebody has to act on each.",
        &[],
    )
});

/// Takes the stock of confirmed orders off the shelf. svc-order confirms what
/// is reserved alone, and a reservation is kept until svc-order has spoken. An
/// order that has none all the same is given what is there; if nothing is, it
/// has been sold what there is not, which is logged and counted, and left to
/// staff.
///
/// # Errors
/// Those of the database.
pub async fn commit_stock(
    app: &App,
    tx: &mut PgConnection,
    orders: &[Heard<Wanted>],
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let ids: Vec<OrderId> = orders.iter().map(|order| order.event.order_id).collect();
    // An order that nobody announced reserves and commits in one.
    reservations::insert_all(tx, &ids, Status::Expired, now, now).await?;
    let mut known = reservations::lock_all(tx, &ids).await?;

    let mut products: Vec<_> = orders
        .iter()
        .flat_map(|order| order.event.lines.product_ids())
        .chain(known.values().flat_map(|known| known.lines.product_ids()))
        .collect();
    products.sort_unstable();
    products.dedup();
    let mut shelf = Shelf::new(stock::lock(tx, &products).await?);

    let mut committed = Vec::with_capacity(orders.len());
    let mut anew = Vec::new();
    for Heard { event, span } in orders {
        let Some(reservation) = known.get_mut(&event.order_id) else {
            continue; // never: its row is there, and rows stay
        };
        let _entered = span.enter();
        match reservation.status {
            // Released: cancelled after it was confirmed, and the cancellation
            // was faster.
            Status::Committed | Status::Released => continue,
            Status::Held => shelf.commit(&reservation.lines),
            Status::Expired | Status::Rejected => match shelf.reserve(&event.lines) {
                Ok(()) => {
                    tracing::warn!("confirmed without a reservation; stock taken now");
                    shelf.commit(&event.lines);
                    anew.push((event.order_id, &event.lines));
                }
                Err(short) => {
                    let product_ids: Vec<String> = short
                        .iter()
                        .map(|short| short.product_id.to_string())
                        .collect();
                    tracing::error!(?product_ids, "OVERSOLD: a confirmed order has no stock");
                    OVERSOLD.with_label_values::<&str>(&[]).inc();
                    continue;
                }
            },
        }
        reservation.status = Status::Committed;
        committed.push(event.order_id);
    }

    let anew_ids: Vec<OrderId> = anew.iter().map(|(id, _)| *id).collect();
    reservations::clear_lines(tx, &anew_ids).await?;
    reservations::add_lines(tx, &anew).await?;
    reservations::set_status(tx, &committed, Status::Committed, now).await?;
    let (before, after) = shelf.into_change();
    change_stock(app, tx, &before, &after).await
}
