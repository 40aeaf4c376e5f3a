//! The table `checkouts`: orders that this service has heard of.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::payment::OrderId;

/// Makes sure of orders' rows and holds them until the transaction ends, and
/// says which of the orders were cancelled. Rows that are there and rows that
/// are not are taken in one order, that of their ids.
///
/// # Errors
/// When the database does not answer.
pub async fn lock_all(
    tx: &mut PgConnection,
    order_ids: &[OrderId],
    now: DateTime<Utc>,
) -> Result<HashSet<OrderId>, StoreError> {
    let order_ids: Vec<Uuid> = order_ids.iter().map(|id| id.0).collect();
    // A row that is there is held, and not written.
    sqlx::query!(
        "INSERT INTO checkouts (order_id, create_time)
         SELECT DISTINCT order_id, $2::timestamptz FROM unnest($1::uuid[]) AS heard (order_id)
         ORDER BY order_id
         ON CONFLICT (order_id) DO UPDATE SET create_time = EXCLUDED.create_time WHERE false",
        &order_ids,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let cancelled = sqlx::query_scalar!(
        "SELECT order_id FROM checkouts WHERE order_id = ANY($1) AND cancel_time IS NOT NULL",
        &order_ids,
    )
    .fetch_all(tx)
    .await?;
    Ok(cancelled.into_iter().map(OrderId).collect())
}

/// Makes sure of an order's row and holds it until the transaction ends. True
/// if the order was cancelled.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(
    tx: &mut PgConnection,
    order_id: OrderId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(lock_all(tx, &[order_id], now).await?.contains(&order_id))
}

/// Notes that an order was cancelled. Its row must be held.
///
/// # Errors
/// When the database does not answer.
pub async fn cancel(
    tx: &mut PgConnection,
    order_id: OrderId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE checkouts SET cancel_time = $2 WHERE order_id = $1 AND cancel_time IS NULL",
        order_id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
