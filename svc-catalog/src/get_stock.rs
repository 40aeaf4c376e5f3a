//! What there is of a product, for staff.

use crate::{app::App, error::Error, product::ProductId, stock::Stock, store::stock};

/// Gets a product's stock, as it is now.
///
/// # Errors
/// `ProductNotFound`.
#[tracing::instrument(name = "catalog.get_stock", skip_all)]
pub async fn get_stock(app: &App, id: ProductId) -> Result<Stock, Error> {
    stock::get(app.db.writer(), id)
        .await?
        .ok_or(Error::ProductNotFound(id))
}
