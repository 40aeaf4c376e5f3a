//! The table `purchases`, and what an account has bought of a product.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{error::StoreError, id::AccountId};
use uuid::Uuid;

use crate::product::ProductId;

fn uuids(products: &[ProductId]) -> Vec<Uuid> {
    products.iter().map(|id| id.0).collect()
}

/// Waits until no other order of the account and these products is being
/// placed, and lets none begin until the transaction ends. The products come in
/// the order of their ids, so that nobody waits in a circle.
///
/// # Errors
/// When the database is away.
pub async fn take_turn(
    tx: &mut PgConnection,
    account: AccountId,
    products: &[ProductId],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO purchases (account_id, product_id, claimed_at)
         SELECT $1, product_id, $3
         FROM unnest($2::uuid[]) AS wanted (product_id) ORDER BY product_id
         ON CONFLICT (account_id, product_id) DO UPDATE SET claimed_at = EXCLUDED.claimed_at",
        account.0,
        &uuids(products),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How many of these products stand in orders of the account that are not
/// cancelled.
///
/// # Errors
/// When the database is away.
pub async fn count(
    tx: &mut PgConnection,
    account: AccountId,
    products: &[ProductId],
) -> Result<HashMap<ProductId, i64>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT product_id, sum(quantity)::bigint AS "quantity!"
           FROM order_lines
           JOIN orders ON orders.account_id = order_lines.account_id
                      AND orders.id = order_lines.order_id
           WHERE order_lines.account_id = $1 AND product_id = ANY($2) AND status <> 'cancelled'
           GROUP BY product_id"#,
        account.0,
        &uuids(products),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ProductId(row.product_id), row.quantity))
        .collect())
}
