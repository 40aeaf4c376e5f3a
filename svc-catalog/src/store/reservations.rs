//! `reservations` and their lines, one an order. A reservation is locked before
//! the stock of its lines, everywhere.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{
    product::ProductId,
    reservation::{Lines, OrderId, Reservation, Status},
};

/// Claims an order's row; false when it is there already. Waits for another
/// transaction that is claiming it.
pub async fn insert(
    tx: &mut PgConnection,
    order_id: OrderId,
    status: Status,
    expire_time: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO reservations (order_id, status, expire_time, create_time, update_time)
         VALUES ($1, $2, $3, $4, $4) ON CONFLICT (order_id) DO NOTHING",
        order_id.0,
        status.as_str(),
        expire_time,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// An order's reservation, held until the transaction ends.
pub async fn lock(
    tx: &mut PgConnection,
    order_id: OrderId,
) -> Result<Option<Reservation>, StoreError> {
    let row = sqlx::query!(
        "SELECT status, expire_time FROM reservations WHERE order_id = $1 FOR UPDATE",
        order_id.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let status = Status::parse(&row.status).ok_or_else(|| StoreError::Corrupt {
        table: "reservations",
        why: format!("status {:?} of {order_id}", row.status),
    })?;
    let lines = lines(tx, order_id).await?;
    Ok(Some(Reservation {
        order_id,
        status,
        expire_time: row.expire_time,
        lines,
    }))
}

/// One reservation that was held for too long and that nobody else is busy
/// with, held until the transaction ends.
pub async fn lock_expired(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<Reservation>, StoreError> {
    let row = sqlx::query!(
        "SELECT order_id, expire_time FROM reservations
         WHERE status = 'held' AND expire_time <= $1
         ORDER BY expire_time LIMIT 1 FOR UPDATE SKIP LOCKED",
        now,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let order_id = OrderId(row.order_id);
    let lines = lines(tx, order_id).await?;
    Ok(Some(Reservation {
        order_id,
        status: Status::Held,
        expire_time: row.expire_time,
        lines,
    }))
}

/// Notes what became of a reservation that the caller holds.
pub async fn set_status(
    tx: &mut PgConnection,
    order_id: OrderId,
    status: Status,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE reservations SET status = $2, update_time = $3 WHERE order_id = $1",
        order_id.0,
        status.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes the lines of a reservation that the caller holds, in place of those
/// that it had.
pub async fn set_lines(
    tx: &mut PgConnection,
    order_id: OrderId,
    lines: &Lines,
) -> Result<(), StoreError> {
    let (ids, quantities): (Vec<Uuid>, Vec<i64>) =
        lines.iter().map(|(id, quantity)| (id.0, quantity)).unzip();
    sqlx::query!(
        "DELETE FROM reservation_lines WHERE order_id = $1",
        order_id.0
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO reservation_lines (order_id, product_id, quantity)
         SELECT $1, product_id, quantity
         FROM UNNEST($2::uuid[], $3::bigint[]) AS line (product_id, quantity)",
        order_id.0,
        &ids,
        &quantities,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn lines(tx: &mut PgConnection, order_id: OrderId) -> Result<Lines, StoreError> {
    let rows = sqlx::query!(
        "SELECT product_id, quantity FROM reservation_lines WHERE order_id = $1",
        order_id.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(Lines::kept(
        rows.into_iter()
            .map(|row| (ProductId(row.product_id), row.quantity)),
    ))
}
