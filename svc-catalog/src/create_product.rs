//! Adds a product, once per request id.

use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    announce,
    app::App,
    error::Error,
    product::{Draft, FIRST_VERSION, Product, ProductId},
    stock::{MAX_ON_HAND, Stock},
    store::{categories, products, request_ids, stock},
    violation::Violation,
};

/// What to add.
#[derive(Debug, Clone)]
pub struct CreateProduct {
    /// The product.
    pub draft: Draft,
    /// What is on hand of it.
    pub initial_stock: i64,
    /// The caller's; without one a repeat is another request.
    pub request_id: Option<Uuid>,
}

/// Adds a product; a repeat of the request gets the first answer.
///
/// # Errors
/// Broken rules, `ProductExists`, `SkuTaken`, `RequestIdReused`.
#[tracing::instrument(name = "catalog.create_product", skip_all)]
pub async fn create_product(app: &App, command: CreateProduct) -> Result<Product, Error> {
    let product = new_product(app, &command)?;
    let hash = hash(&product, &command);
    // A repeat is answered even if what it says could not be added any more.
    if let Some(answer) = answered(app, &command, &hash).await? {
        return Ok(answer);
    }

    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    if let Some(request_id) = command.request_id
        && !request_ids::insert(&mut tx, request_id, &hash, &product, now).await?
    {
        drop(tx); // its twin has just committed
        return answered(app, &command, &hash)
            .await?
            .ok_or(Error::RequestIdReused);
    }
    if categories::path(&mut *tx, &product.details.category_id)
        .await?
        .is_empty()
    {
        return Err(Error::product(vec![Violation::category_unknown(
            "category_id",
        )]));
    }
    if products::insert_all(&mut tx, std::slice::from_ref(&product))
        .await?
        .is_empty()
    {
        return match products::get(&mut *tx, product.id).await? {
            Some(_) => Err(Error::ProductExists(product.id)),
            None => Err(Error::SkuTaken),
        };
    }
    let stock = Stock {
        product_id: product.id,
        on_hand: command.initial_stock,
        reserved: 0,
    };
    stock::insert_all(&mut tx, &[stock]).await?;
    announce::products_changed(app, &mut tx, &[(product.id, FIRST_VERSION)]).await?;
    tx.commit().await?;
    Ok(product)
}

fn new_product(app: &App, command: &CreateProduct) -> Result<Product, Error> {
    let draft = &command.draft;
    check_initial_stock(command.initial_stock).map_err(Error::rule)?;
    let id = draft
        .id()
        .map_err(|violation| Error::product(vec![violation]))?;
    let sku = draft
        .sku()
        .map_err(|violation| Error::product(vec![violation]))?;
    let details = draft.details().map_err(Error::product)?;
    Ok(Product::new(
        id.unwrap_or_else(|| ProductId::generate(&app.clock)),
        sku,
        details,
        command.initial_stock,
        app.clock.now(),
    ))
}

/// What a product can begin with.
///
/// # Errors
/// `STOCK_INVALID` below zero or beyond all measure.
pub fn check_initial_stock(stock: i64) -> Result<(), Violation> {
    if (0..=MAX_ON_HAND).contains(&stock) {
        return Ok(());
    }
    Err(Violation::new(
        "initial_stock",
        "STOCK_INVALID",
        format!("must be 0 to {MAX_ON_HAND}"),
    ))
}

async fn answered(
    app: &App,
    command: &CreateProduct,
    hash: &[u8],
) -> Result<Option<Product>, Error> {
    let Some(request_id) = command.request_id else {
        return Ok(None);
    };
    match request_ids::find(app.db.writer(), request_id).await? {
        None => Ok(None),
        Some(earlier) if earlier.body_hash == hash => Ok(Some(earlier.answer)),
        Some(_) => Err(Error::RequestIdReused),
    }
}

/// What the caller said, without what the server set.
fn hash(product: &Product, command: &CreateProduct) -> Vec<u8> {
    let details = &product.details;
    let said = json!([
        command.draft.id,
        command.draft.sku,
        details.title,
        details.description,
        details.category_id,
        details.price.currency.code(),
        details.price.minor,
        details.attributes,
        details.images,
        command.initial_stock,
    ]);
    Sha256::digest(said.to_string().as_bytes()).to_vec()
}
