//! `stock_adjustments`: what staff did to the stock, once per request id.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{product::ProductId, stock::Stock};

/// An adjustment and what it led to.
pub struct Adjustment {
    /// The caller's.
    pub request_id: Uuid,
    /// What was added or taken.
    pub delta: i64,
    /// For the record.
    pub reason: String,
    /// The stock after it.
    pub after: Stock,
}

/// What a request id was used for before. To be asked while the row of `stock`
/// is held, so that a repeat at the same moment has to wait.
pub async fn find(
    tx: &mut PgConnection,
    request_id: Uuid,
) -> Result<Option<Adjustment>, StoreError> {
    let row = sqlx::query!(
        "SELECT product_id, delta, reason, on_hand_after, reserved_after
         FROM stock_adjustments WHERE request_id = $1",
        request_id,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| Adjustment {
        request_id,
        delta: row.delta,
        reason: row.reason,
        after: Stock {
            product_id: ProductId(row.product_id),
            on_hand: row.on_hand_after,
            reserved: row.reserved_after,
        },
    }))
}

/// Notes an adjustment; false when the request id is taken, which can only be
/// by one of another product.
pub async fn insert(
    tx: &mut PgConnection,
    adjustment: &Adjustment,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO stock_adjustments
             (request_id, product_id, delta, reason, on_hand_after, reserved_after, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (request_id) DO NOTHING",
        adjustment.request_id,
        adjustment.after.product_id.0,
        adjustment.delta,
        adjustment.reason,
        adjustment.after.on_hand,
        adjustment.after.reserved,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
