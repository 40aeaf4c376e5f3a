//! The table `checkouts`: orders that this service has heard of.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;

use crate::payment::OrderId;

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
    sqlx::query!(
        "INSERT INTO checkouts (order_id, create_time) VALUES ($1, $2)
         ON CONFLICT (order_id) DO NOTHING",
        order_id.0,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let cancel_time = sqlx::query_scalar!(
        "SELECT cancel_time FROM checkouts WHERE order_id = $1 FOR UPDATE",
        order_id.0,
    )
    .fetch_one(tx)
    .await?;
    Ok(cancel_time.is_some())
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
