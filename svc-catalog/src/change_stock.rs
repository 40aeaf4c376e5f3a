//! Writes changed stock, and whether the products can still be ordered. What
//! every movement of stock ends in.

use std::collections::HashMap;

use sqlx::PgConnection;
use svc_kit::error::StoreError;

use crate::{
    announce,
    app::App,
    product::ProductId,
    stock::Stock,
    store::{products, stock},
};

/// Writes rows of `stock` that the caller holds. A product whose last piece
/// went, or whose first came, is a changed product; other movements are not.
///
/// # Errors
/// Those of the database.
pub async fn change_stock(
    app: &App,
    tx: &mut PgConnection,
    before: &[Stock],
    after: &[Stock],
) -> Result<(), StoreError> {
    let before: HashMap<ProductId, Stock> = before
        .iter()
        .map(|stock| (stock.product_id, *stock))
        .collect();
    let changed: Vec<Stock> = after
        .iter()
        .filter(|stock| before.get(&stock.product_id) != Some(stock))
        .copied()
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    stock::update_all(tx, &changed).await?;
    let flipped: Vec<(ProductId, bool)> = changed
        .iter()
        .filter(|stock| {
            before.get(&stock.product_id).is_some_and(Stock::in_stock) != stock.in_stock()
        })
        .map(|stock| (stock.product_id, stock.in_stock()))
        .collect();
    if flipped.is_empty() {
        return Ok(());
    }
    let versions = products::set_in_stock(tx, &flipped, app.clock.now()).await?;
    announce::products_changed(app, tx, &versions).await
}
