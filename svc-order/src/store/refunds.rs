//! The table `order_refunds`: each refund that was heard of counts once. Who
//! writes here holds the order's row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::order::{Order, lifecycle::Refund};

/// Notes a refund; false when it was known.
///
/// # Errors
/// When the database is away.
pub async fn insert_once(
    tx: &mut PgConnection,
    order: &Order,
    id: Uuid,
    refund: &Refund,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO order_refunds (account_id, order_id, refund_id, amount_minor, return_id, noted_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
        order.account_id.0,
        order.id.0,
        id,
        refund.payment.amount.minor,
        refund.return_id.map(|id| id.0),
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Whether a refund was noted before.
///
/// # Errors
/// When the database is away.
pub async fn is_known(tx: &mut PgConnection, order: &Order, id: Uuid) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM order_refunds WHERE account_id = $1 AND order_id = $2 AND refund_id = $3
         ) AS "known!""#,
        order.account_id.0,
        order.id.0,
        id,
    )
    .fetch_one(tx)
    .await?)
}
