//! `reservations` and their lines, one an order. A reservation is locked before
//! the stock of its lines, everywhere.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{
    product::ProductId,
    reservation::{Lines, OrderId, Reservation, Status},
};

/// Claims the rows of orders; returns those that were not there. Waits for
/// another transaction that is claiming one.
pub async fn insert_all(
    tx: &mut PgConnection,
    order_ids: &[OrderId],
    status: Status,
    expire_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<HashSet<OrderId>, StoreError> {
    let inserted = sqlx::query_scalar!(
        "INSERT INTO reservations (order_id, status, expire_time, create_time, update_time)
         SELECT order_id, $2, $3, $4, $4 FROM unnest($1::uuid[]) AS new (order_id)
         ORDER BY order_id
         ON CONFLICT (order_id) DO NOTHING RETURNING order_id",
        &uuids(order_ids),
        status.as_str(),
        expire_time,
        now,
    )
    .fetch_all(tx)
    .await?;
    Ok(inserted.into_iter().map(OrderId).collect())
}

/// The reservations of orders, held until the transaction ends. An order
/// without one is left out.
pub async fn lock_all(
    tx: &mut PgConnection,
    order_ids: &[OrderId],
) -> Result<HashMap<OrderId, Reservation>, StoreError> {
    let ids = uuids(order_ids);
    let rows = sqlx::query!(
        "SELECT order_id, status FROM reservations
         WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE",
        &ids,
    )
    .fetch_all(&mut *tx)
    .await?;
    let lines = sqlx::query!(
        "SELECT order_id, product_id, quantity FROM reservation_lines WHERE order_id = ANY($1)",
        &ids,
    )
    .fetch_all(tx)
    .await?;
    let mut lines_of: HashMap<Uuid, Vec<(ProductId, i64)>> = HashMap::new();
    for line in lines {
        let line_of = lines_of.entry(line.order_id).or_default();
        line_of.push((ProductId(line.product_id), line.quantity));
    }
    rows.into_iter()
        .map(|row| {
            let order_id = OrderId(row.order_id);
            let status = Status::parse(&row.status).ok_or_else(|| StoreError::Corrupt {
                table: "reservations",
                why: format!("status {:?} of {order_id}", row.status),
            })?;
            let lines = Lines::kept(lines_of.remove(&row.order_id).unwrap_or_default());
            Ok((order_id, Reservation { status, lines }))
        })
        .collect()
}

/// Notes what became of reservations that the caller holds.
pub async fn set_status(
    tx: &mut PgConnection,
    order_ids: &[OrderId],
    status: Status,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if order_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE reservations SET status = $2, update_time = $3 WHERE order_id = ANY($1)",
        &uuids(order_ids),
        status.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds the lines of reservations that the caller holds and that have none.
pub async fn add_lines(
    tx: &mut PgConnection,
    reserved: &[(OrderId, &Lines)],
) -> Result<(), StoreError> {
    let (mut order_ids, mut product_ids, mut quantities) = (Vec::new(), Vec::new(), Vec::new());
    for (order_id, lines) in reserved {
        for (product_id, quantity) in lines.iter() {
            order_ids.push(order_id.0);
            product_ids.push(product_id.0);
            quantities.push(quantity);
        }
    }
    if order_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO reservation_lines (order_id, product_id, quantity)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])",
        &order_ids,
        &product_ids,
        &quantities,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes the lines off reservations that the caller holds.
pub async fn clear_lines(tx: &mut PgConnection, order_ids: &[OrderId]) -> Result<(), StoreError> {
    if order_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "DELETE FROM reservation_lines WHERE order_id = ANY($1)",
        &uuids(order_ids),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Orders whose reservations are held for too long and that nobody else is
/// busy with, the oldest first. They are not found again before `next`.
pub async fn take_overdue(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    next: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<OrderId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "UPDATE reservations SET expire_time = $2 WHERE order_id IN (
             SELECT order_id FROM reservations
             WHERE status = 'held' AND expire_time <= $1
             ORDER BY expire_time LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING order_id",
        now,
        next,
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(ids.into_iter().map(OrderId).collect())
}

fn uuids(order_ids: &[OrderId]) -> Vec<Uuid> {
    order_ids.iter().map(|id| id.0).collect()
}
