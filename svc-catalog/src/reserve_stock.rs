//! Promises an order all of its lines, or nothing.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use proto::souk::event::v1::{StockRejected, StockReserved};
use sqlx::PgConnection;
use svc_kit::{error::StoreError, outbox};

use crate::{
    app::App,
    change_stock::change_stock,
    product::ProductId,
    reservation::{Lines, OrderId, Status},
    stock::{Short, Stock},
    store::{reservations, stock},
};

/// Why an order gets nothing.
const STOCK_INSUFFICIENT: &str = "STOCK_INSUFFICIENT";

/// Reserves stock for an order, and announces whether there was enough. Once
/// per order: a repeat is told the same again, and an order that was cancelled
/// before it came here, or whose reservation has expired, reserves nothing.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.reserve_stock", skip_all, fields(%order_id))]
pub async fn reserve_stock(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let expire_time = expiry(now, app.reservation_ttl);
    if !reservations::insert(tx, order_id, Status::Held, expire_time, now).await? {
        return repeat(app, tx, order_id, lines).await;
    }
    let before = stock::lock(tx, &lines.product_ids()).await?;
    match reserved(&before, lines) {
        Ok(after) => {
            reservations::set_lines(tx, order_id, lines).await?;
            change_stock(app, tx, &before, &after).await?;
            announce_reserved(app, tx, order_id).await
        }
        Err(short) => {
            reservations::set_status(tx, order_id, Status::Rejected, now).await?;
            announce_rejected(app, tx, order_id, &short).await
        }
    }
}

/// The stock after all lines are promised, or each product that is short.
///
/// # Errors
/// The products of which there is not enough.
pub fn reserved(stocks: &[Stock], lines: &Lines) -> Result<Vec<Stock>, Vec<Short>> {
    let by_id: HashMap<ProductId, Stock> = stocks
        .iter()
        .map(|stock| (stock.product_id, *stock))
        .collect();
    let mut after = Vec::with_capacity(stocks.len());
    let mut short = Vec::new();
    for (product_id, quantity) in lines.iter() {
        let outcome = by_id
            .get(&product_id)
            .ok_or_else(|| stock::missing(product_id))
            .and_then(|stock| stock.reserve(quantity));
        match outcome {
            Ok(stock) => after.push(stock),
            Err(error) => short.push(error),
        }
    }
    if short.is_empty() {
        Ok(after)
    } else {
        Err(short)
    }
}

fn expiry(now: DateTime<Utc>, ttl: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(ttl)
        .ok()
        .and_then(|ttl| now.checked_add_signed(ttl))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

async fn repeat(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
) -> Result<(), StoreError> {
    let Some(reservation) = reservations::lock(tx, order_id).await? else {
        return Ok(()); // never: its row is there, and rows stay
    };
    match reservation.status {
        Status::Held | Status::Committed => announce_reserved(app, tx, order_id).await,
        Status::Rejected => {
            let short: Vec<Short> = lines
                .product_ids()
                .into_iter()
                .map(stock::missing)
                .collect();
            announce_rejected(app, tx, order_id, &short).await
        }
        Status::Released | Status::Expired => {
            tracing::info!(status = reservation.status.as_str(), "too late to reserve");
            Ok(())
        }
    }
}

async fn announce_reserved(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
) -> Result<(), StoreError> {
    let event = StockReserved {
        order_id: order_id.to_string(),
    };
    outbox::put(tx, &event, &app.clock).await?;
    Ok(())
}

async fn announce_rejected(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    short: &[Short],
) -> Result<(), StoreError> {
    let event = StockRejected {
        order_id: order_id.to_string(),
        reason: STOCK_INSUFFICIENT.to_owned(),
        product_ids: short
            .iter()
            .map(|short| short.product_id.to_string())
            .collect(),
    };
    outbox::put(tx, &event, &app.clock).await?;
    Ok(())
}
