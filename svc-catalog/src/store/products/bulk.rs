//! Writing many products in one statement. One product is many of length one.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::product::{Product, ProductId};

/// Products column by column, as UNNEST takes them. Lists are JSON, because
/// UNNEST would flatten them.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    skus: Vec<String>,
    titles: Vec<String>,
    descriptions: Vec<String>,
    category_ids: Vec<String>,
    currencies: Vec<String>,
    price_minors: Vec<i64>,
    attributes: Vec<Value>,
    images: Vec<Value>,
    facet_terms: Vec<Value>,
    in_stocks: Vec<bool>,
    versions: Vec<i64>,
    create_times: Vec<DateTime<Utc>>,
    update_times: Vec<DateTime<Utc>>,
    purchase_limits: Vec<i32>,
}

impl Columns {
    fn of(products: &[Product]) -> Self {
        let mut columns = Self::default();
        for product in products {
            let details = &product.details;
            columns.ids.push(product.id.0);
            columns.skus.push(product.sku.clone());
            columns.titles.push(details.title.clone());
            columns.descriptions.push(details.description.clone());
            columns.category_ids.push(details.category_id.to_string());
            columns
                .currencies
                .push(details.price.currency.code().to_owned());
            columns.price_minors.push(details.price.minor);
            columns.attributes.push(details.attributes.to_json());
            columns.images.push(Value::from(details.images.clone()));
            columns
                .facet_terms
                .push(Value::from(details.attributes.terms()));
            columns.in_stocks.push(product.in_stock);
            columns.versions.push(product.version);
            columns.create_times.push(product.create_time);
            columns.update_times.push(product.update_time);
            columns.purchase_limits.push(details.purchase_limit);
        }
        columns
    }
}

/// Adds products. Those whose id or number is taken are left out; returns the
/// ids of the others.
pub async fn insert_all(
    tx: &mut PgConnection,
    products: &[Product],
) -> Result<Vec<ProductId>, StoreError> {
    let new = Columns::of(products);
    let ids = sqlx::query_scalar!(
        "INSERT INTO products (id, sku, title, description, category_id, currency, price_minor,
                               attributes, images, facet_terms, in_stock, version, create_time,
                               update_time, purchase_limit)
         SELECT id, sku, title, description, category_id, currency, price_minor, attributes,
                ARRAY(SELECT jsonb_array_elements_text(images)),
                ARRAY(SELECT jsonb_array_elements_text(facet_terms)),
                in_stock, version, create_time, update_time, purchase_limit
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::bigint[], $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::boolean[],
                     $12::bigint[], $13::timestamptz[], $14::timestamptz[], $15::int[])
              AS new (id, sku, title, description, category_id, currency, price_minor,
                      attributes, images, facet_terms, in_stock, version, create_time,
                      update_time, purchase_limit)
         ORDER BY sku
         ON CONFLICT DO NOTHING
         RETURNING id",
        &new.ids,
        &new.skus,
        &new.titles,
        &new.descriptions,
        &new.category_ids,
        &new.currencies,
        &new.price_minors,
        &new.attributes,
        &new.images,
        &new.facet_terms,
        &new.in_stocks,
        &new.versions,
        &new.create_times,
        &new.update_times,
        &new.purchase_limits,
    )
    .fetch_all(tx)
    .await?;
    Ok(ids.into_iter().map(ProductId).collect())
}

/// Writes the details, numbers and versions of products whose rows the caller
/// holds.
pub async fn update_all(tx: &mut PgConnection, products: &[Product]) -> Result<(), StoreError> {
    let new = Columns::of(products);
    sqlx::query!(
        "UPDATE products
         SET sku = new.sku, title = new.title, description = new.description,
             category_id = new.category_id, currency = new.currency,
             price_minor = new.price_minor, attributes = new.attributes,
             images = ARRAY(SELECT jsonb_array_elements_text(new.images)),
             facet_terms = ARRAY(SELECT jsonb_array_elements_text(new.facet_terms)),
             version = new.version, update_time = new.update_time,
             purchase_limit = new.purchase_limit
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::bigint[], $8::jsonb[], $9::jsonb[], $10::jsonb[], $11::bigint[],
                     $12::timestamptz[], $13::int[])
              AS new (id, sku, title, description, category_id, currency, price_minor,
                      attributes, images, facet_terms, version, update_time, purchase_limit)
         WHERE products.id = new.id",
        &new.ids,
        &new.skus,
        &new.titles,
        &new.descriptions,
        &new.category_ids,
        &new.currencies,
        &new.price_minors,
        &new.attributes,
        &new.images,
        &new.facet_terms,
        &new.versions,
        &new.update_times,
        &new.purchase_limits,
    )
    .execute(tx)
    .await?;
    Ok(())
}
