//! What is to be done with each row, given the products that are there.

use std::collections::HashMap;

use super::{Checked, Failure, failure, sku_taken};
use crate::{
    app::App,
    product::{Product, ProductId},
};

/// What a wave of rows leads to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// New products, what is on hand of them, and their lines.
    pub(super) create: Vec<(Product, i64, i64)>,
    /// Changed products.
    pub(super) update: Vec<Product>,
    /// Rows that say what is known.
    pub(super) unchanged: usize,
    /// Rows that cannot be used.
    pub(super) failures: Vec<Failure>,
}

impl Plan {
    /// For rows that name each product once. `held` are all products with an
    /// id or a number of the rows.
    pub(super) fn new(app: &App, rows: Vec<Checked>, held: Vec<Product>) -> Self {
        let by_sku: HashMap<String, ProductId> = held
            .iter()
            .map(|product| (product.sku.clone(), product.id))
            .collect();
        let by_id: HashMap<ProductId, Product> = held
            .into_iter()
            .map(|product| (product.id, product))
            .collect();
        let now = app.clock.now();
        let mut plan = Self::default();
        for row in rows {
            let owner = row.sku.as_ref().and_then(|sku| by_sku.get(sku)).copied();
            let id = row.id.or(owner);
            if owner.is_some() && owner != id {
                plan.failures.push(failure(row.line, &sku_taken()));
                continue;
            }
            if let Some(old) = id.and_then(|id| by_id.get(&id)) {
                match old.changed(row.details, row.sku, now) {
                    Some(new) => plan.update.push(new),
                    None => plan.unchanged += 1,
                }
                continue;
            }
            let id = id.unwrap_or_else(|| ProductId::generate(&app.clock));
            let new = Product::new(id, row.sku, row.details, row.initial_stock, now);
            plan.create.push((new, row.initial_stock, row.line));
        }
        plan
    }
}
