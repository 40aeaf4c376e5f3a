//! `stock_returns` and their lines: what came back and went on sale again.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::reservation::{Lines, OrderId};

/// Claims a return; false when it is there already. Waits for another
/// transaction that is claiming it.
pub async fn insert(
    tx: &mut PgConnection,
    return_id: Uuid,
    order_id: OrderId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO stock_returns (return_id, order_id, create_time) VALUES ($1, $2, $3)
         ON CONFLICT (return_id) DO NOTHING",
        return_id,
        order_id.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Notes the lines of a return that the caller has claimed.
pub async fn set_lines(
    tx: &mut PgConnection,
    return_id: Uuid,
    lines: &Lines,
) -> Result<(), StoreError> {
    let (ids, quantities): (Vec<Uuid>, Vec<i64>) =
        lines.iter().map(|(id, quantity)| (id.0, quantity)).unzip();
    sqlx::query!(
        "INSERT INTO stock_return_lines (return_id, product_id, quantity)
         SELECT $1, product_id, quantity
         FROM UNNEST($2::uuid[], $3::bigint[]) AS line (product_id, quantity)",
        return_id,
        &ids,
        &quantities,
    )
    .execute(tx)
    .await?;
    Ok(())
}
