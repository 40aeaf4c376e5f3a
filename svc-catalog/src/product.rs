//! A product: what is sold, its rules, its version. No SQL, no clock.

mod draft;
mod image;
mod mask;
mod snapshot;

pub use draft::{Draft, Patch};
pub use mask::Mask;
pub use snapshot::Snapshot;

use chrono::{DateTime, Utc};
use svc_kit::money::Money;

use crate::{attributes::Attributes, category::CategoryId};

svc_kit::id!(
    /// A product.
    pub struct ProductId
);

/// The longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 300;
/// The longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 10_000;
/// The longest stock-keeping unit, in characters.
pub const MAX_SKU_CHARS: usize = 100;
/// The highest price, in minor units of its currency.
pub const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;
/// The most images.
pub const MAX_IMAGES: usize = 20;
/// The longest path or address of an image, in characters.
pub const MAX_IMAGE_CHARS: usize = 500;

/// The highest purchase limit.
pub const MAX_PURCHASE_LIMIT: i32 = 1_000_000;

/// A product as it is sold.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Its identifier.
    pub id: ProductId,
    /// The shop's own number for it; unique.
    pub sku: String,
    /// What staff wrote.
    pub details: Details,
    /// Something of it can be ordered.
    pub in_stock: bool,
    /// Grows with each change.
    pub version: i64,
    /// When it was added.
    pub create_time: DateTime<Utc>,
    /// When it last changed.
    pub update_time: DateTime<Utc>,
}

/// What staff write about a product; every value has passed its rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// What it is called.
    pub title: String,
    /// What there is to say about it.
    pub description: String,
    /// Where in the tree it stands.
    pub category_id: CategoryId,
    /// What it costs; never negative, never above [`MAX_PRICE_MINOR`].
    pub price: Money,
    /// The free fields of its kind.
    pub attributes: Attributes,
    /// Paths below /media/ or absolute addresses.
    pub images: Vec<String>,
    /// The most of it that one account may buy; 0: as much as it likes. Never
    /// negative, never above [`MAX_PURCHASE_LIMIT`].
    pub purchase_limit: i32,
}

/// The version of a product that was just added.
pub const FIRST_VERSION: i64 = 1;

impl Product {
    /// A product that was not there before. Without an own `sku` its id is it.
    pub fn new(
        id: ProductId,
        sku: Option<String>,
        details: Details,
        initial_stock: i64,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            sku: sku.unwrap_or_else(|| id.to_string()),
            details,
            in_stock: initial_stock > 0,
            version: FIRST_VERSION,
            create_time: now,
            update_time: now,
        }
    }

    /// Opaque to callers; another one after each change.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }

    /// The product with these details and number; `None` when it has them
    /// already.
    #[must_use]
    pub fn changed(
        &self,
        details: Details,
        sku: Option<String>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let sku = sku.unwrap_or_else(|| self.sku.clone());
        if self.details == details && self.sku == sku {
            return None;
        }
        Some(Self {
            sku,
            details,
            version: self.version + 1,
            update_time: now,
            ..self.clone()
        })
    }
}
