//! Hands out what a confirmed order was promised.

use std::sync::LazyLock;

use prometheus::IntCounterVec;
use sqlx::PgConnection;
use svc_kit::{error::StoreError, metrics};

use crate::{
    app::App,
    change_stock::change_stock,
    reservation::{Lines, OrderId, Status},
    reserve_stock::reserved,
    stock::Stock,
    store::{reservations, stock},
};

static OVERSOLD: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "catalog_oversold_orders_total",
        "Orders confirmed although their stock was gone. Somebody has to act on each.",
        &[],
    )
});

/// Takes the stock of a confirmed order off the shelf. When its reservation has
/// expired, the stock is taken anew if it is still there; if not, the order has
/// been sold what there is not, which is logged and counted, and left to staff.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.commit_stock", skip_all, fields(%order_id))]
pub async fn commit_stock(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    // An order that nobody announced reserves and commits in one.
    let status = if reservations::insert(tx, order_id, Status::Expired, now, now).await? {
        Status::Expired
    } else {
        match reservations::lock(tx, order_id).await? {
            Some(reservation) if reservation.status == Status::Held => {
                return commit_held(app, tx, order_id, &reservation.lines).await;
            }
            Some(reservation) => reservation.status,
            None => return Ok(()), // never: its row is there, and rows stay
        }
    };
    match status {
        // Released: cancelled after it was confirmed, and the cancellation was
        // faster.
        Status::Committed | Status::Held | Status::Released => Ok(()),
        Status::Expired | Status::Rejected => take_anew(app, tx, order_id, lines).await,
    }
}

async fn commit_held(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
) -> Result<(), StoreError> {
    let before = stock::lock(tx, &lines.product_ids()).await?;
    commit(app, tx, order_id, lines, &before, &before).await
}

async fn take_anew(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
) -> Result<(), StoreError> {
    let before = stock::lock(tx, &lines.product_ids()).await?;
    match reserved(&before, lines) {
        Ok(promised) => {
            tracing::warn!("confirmed after its reservation was gone; stock taken anew");
            reservations::set_lines(tx, order_id, lines).await?;
            commit(app, tx, order_id, lines, &before, &promised).await
        }
        Err(short) => {
            let product_ids: Vec<String> = short
                .iter()
                .map(|short| short.product_id.to_string())
                .collect();
            tracing::error!(?product_ids, "OVERSOLD: a confirmed order has no stock");
            OVERSOLD.with_label_values::<&str>(&[]).inc();
            Ok(())
        }
    }
}

async fn commit(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
    before: &[Stock],
    promised: &[Stock],
) -> Result<(), StoreError> {
    let after: Vec<Stock> = promised
        .iter()
        .map(|stock| stock.commit(lines.quantity(stock.product_id)))
        .collect();
    reservations::set_status(tx, order_id, Status::Committed, app.clock.now()).await?;
    change_stock(app, tx, before, &after).await
}
