//! Several products, as they are now: orders take their prices from here, so
//! they come from the database that is written to, never from a cache.

use std::collections::HashMap;

use svc_kit::error::Invalid;

use crate::{
    app::App,
    error::Error,
    product::{Product, ProductId},
    store::products,
};

/// The most products of a request.
pub const MAX_IDS: usize = 100;

/// Some of what was asked for, and what there is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// In the order of the request, as often as they were asked for.
    pub products: Vec<Product>,
    /// Ids without a product, in the order of the request.
    pub missing: Vec<ProductId>,
}

/// Gets products by their ids.
///
/// # Errors
/// `Invalid` for none or more than [`MAX_IDS`].
#[tracing::instrument(name = "catalog.batch_get_products", skip_all, fields(ids = ids.len()))]
pub async fn batch_get_products(app: &App, ids: &[ProductId]) -> Result<Batch, Error> {
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(Invalid::new("ids", format!("must be 1 to {MAX_IDS}")).into());
    }
    let found: HashMap<ProductId, Product> = products::get_all(app.db.writer(), ids)
        .await?
        .into_iter()
        .map(|product| (product.id, product))
        .collect();
    let mut batch = Batch {
        products: Vec::with_capacity(ids.len()),
        missing: Vec::new(),
    };
    for id in ids {
        match found.get(id) {
            Some(product) => batch.products.push(product.clone()),
            None => batch.missing.push(*id),
        }
    }
    Ok(batch)
}
