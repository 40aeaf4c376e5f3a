//! Messages ↔ domain.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::souk::catalog::v1 as pb;
use svc_kit::{error::Invalid, id, money::Money};
use uuid::Uuid;

use super::attributes;
use crate::{
    category::{Category, CategoryId},
    import_products::{Failure, Imported, Row},
    product::{Draft, Product},
    stock::Stock,
};

pub(super) fn product(product: &Product) -> pb::Product {
    let details = &product.details;
    pb::Product {
        id: product.id.to_string(),
        sku: product.sku.clone(),
        title: details.title.clone(),
        description: details.description.clone(),
        category_id: details.category_id.to_string(),
        price: Some(details.price.into()),
        attributes: Some(attributes::write(&details.attributes)),
        images: details.images.clone(),
        in_stock: product.in_stock,
        create_time: Some(timestamp(product.create_time)),
        update_time: Some(timestamp(product.update_time)),
        etag: product.etag(),
        purchase_limit: details.purchase_limit,
    }
}

pub(super) fn category(category: Category) -> pb::Category {
    pb::Category {
        id: category.id.to_string(),
        title: category.title,
        parent_id: category
            .parent_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
    }
}

pub(super) fn category_id(field: &str, text: &str) -> Result<Option<CategoryId>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error: crate::category::NoSlug| Invalid::new(field, error.to_string()))
}

pub(super) fn request_id(text: &str) -> Result<Option<Uuid>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    id::parse("request_id", text).map(Some)
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

impl From<pb::Product> for Draft {
    fn from(product: pb::Product) -> Self {
        Self {
            id: product.id,
            sku: product.sku,
            title: product.title,
            description: product.description,
            category_id: product.category_id,
            price: product.price.as_ref().map(Money::try_from),
            attributes: attributes::read(product.attributes),
            images: product.images,
            purchase_limit: product.purchase_limit,
            etag: product.etag,
        }
    }
}

impl From<pb::ImportRow> for Row {
    fn from(row: pb::ImportRow) -> Self {
        Self {
            line: row.line,
            draft: row.product.unwrap_or_default().into(),
            initial_stock: row.initial_stock,
        }
    }
}

impl From<Imported> for pb::ImportProductsResponse {
    fn from(imported: Imported) -> Self {
        Self {
            created: count(imported.created),
            updated: count(imported.updated),
            unchanged: count(imported.unchanged),
            failures: imported
                .failures
                .into_iter()
                .map(pb::ImportFailure::from)
                .collect(),
        }
    }
}

impl From<Failure> for pb::ImportFailure {
    fn from(failure: Failure) -> Self {
        Self {
            line: failure.line,
            reason: failure.reason.to_owned(),
            message: failure.message,
        }
    }
}

impl From<Stock> for pb::Stock {
    fn from(stock: Stock) -> Self {
        Self {
            product_id: stock.product_id.to_string(),
            on_hand: stock.on_hand,
            reserved: stock.reserved,
        }
    }
}

fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}
