//! Puts back on sale what customers sent back.

use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{
    app::App,
    change_stock::change_stock,
    reservation::{Lines, OrderId},
    shelf::Shelf,
    store::{stock, stock_returns},
};

/// Puts the lines of a return on hand, once for each return. Of a product
/// that is not there any more nothing is put, and nothing noted.
///
/// # Errors
/// Those of the database.
#[tracing::instrument(name = "catalog.restock", skip_all, fields(%order_id, %return_id))]
pub async fn restock(
    app: &App,
    tx: &mut PgConnection,
    order_id: OrderId,
    return_id: Uuid,
    lines: &Lines,
) -> Result<(), StoreError> {
    if !stock_returns::insert(tx, return_id, order_id, app.clock.now()).await? {
        return Ok(());
    }
    let held = stock::lock(tx, &lines.product_ids()).await?;
    let known = Lines::kept(
        held.iter()
            .map(|stock| (stock.product_id, lines.quantity(stock.product_id))),
    );
    stock_returns::set_lines(tx, return_id, &known).await?;
    let mut shelf = Shelf::new(held);
    shelf.put_back(&known);
    let (before, after) = shelf.into_change();
    change_stock(app, tx, &before, &after).await
}
