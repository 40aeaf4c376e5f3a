//! `products`: reading one, some, a page; adding and changing.

mod bulk;
mod row;

pub use bulk::{insert_all, update_all};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{
    category::CategoryId,
    product::{Product, ProductId},
};
use row::{Row, products, uuids};

/// Where a page of the newest products begins: after this one.
pub type Position = (DateTime<Utc>, Uuid);

/// A product and its new version.
pub type Versioned = (ProductId, i64);

/// One product.
pub async fn get(db: impl PgExecutor<'_>, id: ProductId) -> Result<Option<Product>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                images, purchase_limit, in_stock, version, create_time, update_time
         FROM products WHERE id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?
    .map(Product::try_from)
    .transpose()
}

/// Some products, in no order.
pub async fn get_all(
    db: impl PgExecutor<'_>,
    ids: &[ProductId],
) -> Result<Vec<Product>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                images, purchase_limit, in_stock, version, create_time, update_time
         FROM products WHERE id = ANY($1)",
        &uuids(ids),
    )
    .fetch_all(db)
    .await?;
    products(rows)
}

/// The newest products, from a position on; of a category with its subtree, or
/// of all.
pub async fn newest(
    db: impl PgExecutor<'_>,
    category: Option<&CategoryId>,
    after: Option<Position>,
    limit: i64,
) -> Result<Vec<Product>, StoreError> {
    let (after_time, after_id) = after.unzip();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                images, purchase_limit, in_stock, version, create_time, update_time
         FROM products
         WHERE ($1::text IS NULL OR category_id IN (
                   SELECT below.id FROM categories AS top
                   JOIN categories AS below ON starts_with(below.path, top.path)
                   WHERE top.id = $1))
           AND ($2::timestamptz IS NULL OR (create_time, id) < ($2, $3::uuid))
         ORDER BY create_time DESC, id DESC
         LIMIT $4",
        category.map(CategoryId::as_str),
        after_time,
        after_id,
        limit,
    )
    .fetch_all(db)
    .await?;
    products(rows)
}

/// Products in the order of their ids, from an id on: to walk over all.
pub async fn after(
    db: impl PgExecutor<'_>,
    id: Option<ProductId>,
    limit: i64,
) -> Result<Vec<Product>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                images, purchase_limit, in_stock, version, create_time, update_time
         FROM products WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2",
        id.map(|id| id.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    products(rows)
}

/// One product, held until the transaction ends.
pub async fn lock(tx: &mut PgConnection, id: ProductId) -> Result<Option<Product>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                images, purchase_limit, in_stock, version, create_time, update_time
         FROM products WHERE id = $1 FOR NO KEY UPDATE",
        id.0,
    )
    .fetch_optional(tx)
    .await?
    .map(Product::try_from)
    .transpose()
}

/// The products that have one of the ids or one of the numbers, held until the
/// transaction ends; locked in the order of their ids, as everywhere.
pub async fn lock_all(
    tx: &mut PgConnection,
    ids: &[ProductId],
    skus: &[String],
) -> Result<Vec<Product>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                images, purchase_limit, in_stock, version, create_time, update_time
         FROM products WHERE id = ANY($1) OR sku = ANY($2)
         ORDER BY id FOR NO KEY UPDATE",
        &uuids(ids),
        skus,
    )
    .fetch_all(tx)
    .await?;
    products(rows)
}

/// Notes for products whose last piece went, or whose first came, that it did.
/// The caller holds their rows of `stock`. Returns their new versions.
pub async fn set_in_stock(
    tx: &mut PgConnection,
    flipped: &[(ProductId, bool)],
    now: DateTime<Utc>,
) -> Result<Vec<Versioned>, StoreError> {
    let (ids, in_stock): (Vec<ProductId>, Vec<bool>) = flipped.iter().copied().unzip();
    let ids = uuids(&ids);
    // Without the sub-select the rows would be locked in the order of the plan.
    let rows = sqlx::query!(
        "WITH held AS (
             SELECT id FROM products WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
         UPDATE products SET in_stock = new.in_stock, version = version + 1, update_time = $3
         FROM UNNEST($1::uuid[], $2::boolean[]) AS new (id, in_stock)
         JOIN held USING (id)
         WHERE products.id = held.id
         RETURNING products.id, products.version",
        &ids,
        &in_stock,
        now,
    )
    .fetch_all(tx)
    .await?;
    let mut versions: Vec<Versioned> = rows
        .into_iter()
        .map(|row| (ProductId(row.id), row.version))
        .collect();
    versions.sort_unstable();
    Ok(versions)
}
