//! Promises each order all of its lines, or nothing. Many orders at once: the
//! stock of a product is locked and written once for all of them, which are
//! served in their order.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use chrono::{DateTime, Utc};
use proto::souk::event::v1::{StockRejected, StockReserved};
use sqlx::PgConnection;
use svc_kit::{consumer::Heard, error::StoreError, outbox};

use crate::{
    app::App,
    change_stock::change_stock,
    reservation::{OrderId, Status, Wanted},
    shelf::Shelf,
    stock::Short,
    store::{reservations, stock},
};

/// Why an order gets nothing.
const STOCK_INSUFFICIENT: &str = "STOCK_INSUFFICIENT";

/// What an order is told.
#[derive(Debug, Clone)]
enum Answer {
    Reserved,
    Rejected(Vec<Short>),
    /// Nothing: it is too late.
    Silence,
}

/// Reserves stock for orders, and announces to each whether there was enough.
/// Once per order: a repeat is told the same again, and an order that was
/// cancelled before it came here reserves nothing.
///
/// # Errors
/// Those of the database.
pub async fn reserve_stock(
    app: &App,
    tx: &mut PgConnection,
    orders: &[Heard<Wanted>],
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let ids: Vec<OrderId> = orders.iter().map(|order| order.event.order_id).collect();
    let held_until = after(now, app.reservation_ttl);
    let mut new = reservations::insert_all(tx, &ids, Status::Held, held_until, now).await?;
    let (first, repeats): (Vec<_>, Vec<_>) = orders
        .iter()
        .partition(|order| new.remove(&order.event.order_id));

    let mut answers = answer_repeats(tx, &repeats).await?;
    answers.extend(take(app, tx, &first).await?);

    let mut events = outbox::Batch::new(&app.clock);
    for Heard { event, span } in orders {
        if let Some(answer) = answers.get(&event.order_id) {
            span.in_scope(|| announce(&mut events, event.order_id, answer))?;
        }
    }
    events.put(tx).await
}

/// Takes from the stock for orders that come for the first time.
async fn take(
    app: &App,
    tx: &mut PgConnection,
    orders: &[&Heard<Wanted>],
) -> Result<HashMap<OrderId, Answer>, StoreError> {
    let mut products: Vec<_> = orders
        .iter()
        .flat_map(|order| order.event.lines.product_ids())
        .collect();
    products.sort_unstable();
    products.dedup();
    let mut shelf = Shelf::new(stock::lock(tx, &products).await?);
    let mut answers = HashMap::with_capacity(orders.len());
    let (mut reserved, mut rejected) = (Vec::new(), Vec::new());
    for Heard { event, .. } in orders {
        let answer = match shelf.reserve(&event.lines) {
            Ok(()) => {
                reserved.push((event.order_id, &event.lines));
                Answer::Reserved
            }
            Err(short) => {
                rejected.push(event.order_id);
                Answer::Rejected(short)
            }
        };
        answers.insert(event.order_id, answer);
    }
    reservations::add_lines(tx, &reserved).await?;
    reservations::set_status(tx, &rejected, Status::Rejected, app.clock.now()).await?;
    let (before, after) = shelf.into_change();
    change_stock(app, tx, &before, &after).await?;
    Ok(answers)
}

/// What orders are told that were here before. One that is in this batch twice
/// is told what becomes of it.
async fn answer_repeats(
    tx: &mut PgConnection,
    orders: &[&Heard<Wanted>],
) -> Result<HashMap<OrderId, Answer>, StoreError> {
    let mut answers = HashMap::new();
    if orders.is_empty() {
        return Ok(answers);
    }
    let ids: Vec<OrderId> = orders.iter().map(|order| order.event.order_id).collect();
    let known = reservations::lock_all(tx, &ids).await?;
    for Heard { event, span } in orders {
        let Entry::Vacant(answer) = answers.entry(event.order_id) else {
            continue;
        };
        let status = known.get(&event.order_id).map(|known| known.status);
        answer.insert(match status {
            Some(Status::Held | Status::Committed) => Answer::Reserved,
            Some(Status::Rejected) => {
                let products = event.lines.product_ids().into_iter();
                Answer::Rejected(products.map(Short::all).collect())
            }
            Some(Status::Released | Status::Expired) | None => {
                span.in_scope(|| tracing::info!(?status, "too late to reserve"));
                Answer::Silence
            }
        });
    }
    Ok(answers)
}

fn announce(
    events: &mut outbox::Batch<'_>,
    order_id: OrderId,
    answer: &Answer,
) -> Result<(), StoreError> {
    match answer {
        Answer::Reserved => {
            events.add(&StockReserved {
                order_id: order_id.to_string(),
            })?;
        }
        Answer::Rejected(short) => {
            events.add(&StockRejected {
                order_id: order_id.to_string(),
                reason: STOCK_INSUFFICIENT.to_owned(),
                product_ids: short
                    .iter()
                    .map(|short| short.product_id.to_string())
                    .collect(),
            })?;
        }
        Answer::Silence => {}
    }
    Ok(())
}

/// Some time after another, or the end of all time.
pub(crate) fn after(time: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(span)
        .ok()
        .and_then(|span| time.checked_add_signed(span))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
