//! A product outside of its table: in the cache, and as a kept answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use svc_kit::money::Money;

use super::{Details, Product, ProductId};
use crate::{attributes::Attributes, category::CategoryId};

/// A product in a form that can be written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    id: ProductId,
    sku: String,
    title: String,
    description: String,
    category_id: CategoryId,
    currency: String,
    price_minor: i64,
    attributes: Attributes,
    images: Vec<String>,
    // What was written down before there were limits has none.
    #[serde(default)]
    purchase_limit: i32,
    in_stock: bool,
    version: i64,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl From<&Product> for Snapshot {
    fn from(product: &Product) -> Self {
        let Product {
            id,
            sku,
            details,
            in_stock,
            version,
            create_time,
            update_time,
        } = product.clone();
        Self {
            id,
            sku,
            title: details.title,
            description: details.description,
            category_id: details.category_id,
            currency: details.price.currency.code().to_owned(),
            price_minor: details.price.minor,
            attributes: details.attributes,
            images: details.images,
            purchase_limit: details.purchase_limit,
            in_stock,
            version,
            create_time,
            update_time,
        }
    }
}

impl TryFrom<Snapshot> for Product {
    type Error = svc_kit::money::MoneyError;

    fn try_from(snapshot: Snapshot) -> Result<Self, Self::Error> {
        Ok(Self {
            id: snapshot.id,
            sku: snapshot.sku,
            details: Details {
                title: snapshot.title,
                description: snapshot.description,
                category_id: snapshot.category_id,
                price: Money::new(snapshot.currency.parse()?, snapshot.price_minor),
                attributes: snapshot.attributes,
                images: snapshot.images,
                purchase_limit: snapshot.purchase_limit,
            },
            in_stock: snapshot.in_stock,
            version: snapshot.version,
            create_time: snapshot.create_time,
            update_time: snapshot.update_time,
        })
    }
}
