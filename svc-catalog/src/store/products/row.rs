//! A row of `products` as it is selected.

use chrono::{DateTime, Utc};
use serde_json::Value;
use svc_kit::{error::StoreError, money::Money};
use uuid::Uuid;

use crate::{
    attributes::Attributes,
    product::{Details, Product, ProductId},
};

pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) category_id: String,
    pub(super) currency: String,
    pub(super) price_minor: i64,
    pub(super) attributes: Value,
    pub(super) images: Vec<String>,
    pub(super) purchase_limit: i32,
    pub(super) in_stock: bool,
    pub(super) version: i64,
    pub(super) create_time: DateTime<Utc>,
    pub(super) update_time: DateTime<Utc>,
}

impl TryFrom<Row> for Product {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt {
            table: "products",
            why: format!("{what} of {}", row.id),
        };
        let currency = row.currency.parse().map_err(|_| corrupt("currency"))?;
        let category_id = row.category_id.parse().map_err(|_| corrupt("category"))?;
        let attributes =
            Attributes::from_json(row.attributes).ok_or_else(|| StoreError::Corrupt {
                table: "products",
                why: format!("attributes of {}", row.id),
            })?;
        Ok(Self {
            id: ProductId(row.id),
            sku: row.sku,
            details: Details {
                title: row.title,
                description: row.description,
                category_id,
                price: Money::new(currency, row.price_minor),
                attributes,
                images: row.images,
                purchase_limit: row.purchase_limit,
            },
            in_stock: row.in_stock,
            version: row.version,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}

pub(super) fn products(rows: Vec<Row>) -> Result<Vec<Product>, StoreError> {
    rows.into_iter().map(Product::try_from).collect()
}

pub(super) fn uuids(ids: &[ProductId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.0).collect()
}
