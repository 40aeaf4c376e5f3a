//! One product, from the cache.

use std::sync::Arc;

use crate::{
    app::App,
    error::Error,
    product::{Product, ProductId},
    store::products,
};

/// Gets a product.
///
/// # Errors
/// `ProductNotFound`.
#[tracing::instrument(name = "catalog.get_product", skip_all)]
pub async fn get_product(app: &App, id: ProductId) -> Result<Arc<Product>, Error> {
    // The writer: what a replica has may be older than what was announced.
    app.cache
        .get(id, || products::get(app.db.writer(), id))
        .await?
        .ok_or(Error::ProductNotFound(id))
}
