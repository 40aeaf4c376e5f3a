//! `stock`: what there is. Rows are locked in the order of their products' ids,
//! everywhere, so that nobody waits in a circle.

use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{product::ProductId, stock::Stock};

struct Row {
    product_id: Uuid,
    on_hand: i64,
    reserved: i64,
}

impl From<Row> for Stock {
    fn from(row: Row) -> Self {
        Self {
            product_id: ProductId(row.product_id),
            on_hand: row.on_hand,
            reserved: row.reserved,
        }
    }
}

/// What there is of a product.
pub async fn get(db: impl PgExecutor<'_>, id: ProductId) -> Result<Option<Stock>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT product_id, on_hand, reserved FROM stock WHERE product_id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Stock::from))
}

/// What there is of some products, held until the transaction ends. A product
/// without a row has none, and is left out.
pub async fn lock(tx: &mut PgConnection, ids: &[ProductId]) -> Result<Vec<Stock>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT product_id, on_hand, reserved FROM stock
         WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE",
        &ids,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Stock::from).collect())
}

/// Adds the rows of new products.
pub async fn insert_all(tx: &mut PgConnection, stocks: &[Stock]) -> Result<(), StoreError> {
    let (ids, on_hand, reserved) = columns(stocks);
    sqlx::query!(
        "INSERT INTO stock (product_id, on_hand, reserved)
         SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[])",
        &ids,
        &on_hand,
        &reserved,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes rows that the caller holds.
pub async fn update_all(tx: &mut PgConnection, stocks: &[Stock]) -> Result<(), StoreError> {
    let (ids, on_hand, reserved) = columns(stocks);
    sqlx::query!(
        "UPDATE stock SET on_hand = new.on_hand, reserved = new.reserved
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[]) AS new (product_id, on_hand, reserved)
         WHERE stock.product_id = new.product_id",
        &ids,
        &on_hand,
        &reserved,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn columns(stocks: &[Stock]) -> (Vec<Uuid>, Vec<i64>, Vec<i64>) {
    let ids = stocks.iter().map(|stock| stock.product_id.0).collect();
    let on_hand = stocks.iter().map(|stock| stock.on_hand).collect();
    let reserved = stocks.iter().map(|stock| stock.reserved).collect();
    (ids, on_hand, reserved)
}
