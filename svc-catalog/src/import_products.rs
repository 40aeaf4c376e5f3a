//! Brings in many products at once: what is new is added, what differs is
//! changed, what is the same is left alone.

mod plan;

use std::collections::HashSet;

use crate::{
    announce,
    app::App,
    create_product::check_initial_stock,
    error::Error,
    product::{Details, Draft, Product, ProductId},
    stock::Stock,
    store::{categories, products, stock},
    violation::Violation,
};
use plan::Plan;
use svc_kit::error::{Invalid, StoreError};

/// The most rows of one message.
pub const MAX_ROWS: usize = 500;

/// A row as it came in.
#[derive(Debug, Clone)]
pub struct Row {
    /// In the caller's file.
    pub line: i64,
    /// The product, with id or sku.
    pub draft: Draft,
    /// On hand, if it is new.
    pub initial_stock: i64,
}

/// A row that was not brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In the caller's file.
    pub line: i64,
    /// Stable upper-snake.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// What became of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that became products.
    pub created: usize,
    /// Rows that changed products.
    pub updated: usize,
    /// Rows that said what was known.
    pub unchanged: usize,
    /// Rows that could not be used, in the order of their lines.
    pub failures: Vec<Failure>,
}

/// A row that keeps the rules which need no database.
#[derive(Debug, Clone)]
struct Checked {
    line: i64,
    id: Option<ProductId>,
    sku: Option<String>,
    details: Details,
    initial_stock: i64,
}

/// Imports up to [`MAX_ROWS`] rows in one transaction. A bad row is reported
/// and stops no other.
///
/// # Errors
/// `Invalid` for too many rows, and those of the database; then nothing of the
/// message has been brought in.
#[tracing::instrument(name = "catalog.import_products", skip_all, fields(rows = rows.len()))]
pub async fn import_products(app: &App, rows: Vec<Row>) -> Result<Imported, Error> {
    if rows.len() > MAX_ROWS {
        return Err(Invalid::new("rows", format!("must not be more than {MAX_ROWS}")).into());
    }
    let mut imported = Imported::default();
    let mut checked = Vec::with_capacity(rows.len());
    for row in rows {
        let line = row.line;
        match check(row) {
            Ok(row) => checked.push(row),
            Err(violation) => imported.failures.push(failure(line, &violation)),
        }
    }
    let mut tx = app.db.begin().await?;
    let mut changed = Vec::new();
    let mut wave = known_categories(&mut tx, checked, &mut imported.failures).await?;
    // A product that is named twice is taken twice, one after the other.
    while !wave.is_empty() {
        let (now, later) = once_each(wave);
        changed.extend(import_wave(app, &mut tx, now, &mut imported).await?);
        wave = later;
    }
    announce::products_changed(app, &mut tx, &changed).await?;
    tx.commit().await?;
    imported.failures.sort_by_key(|failure| failure.line);
    Ok(imported)
}

async fn import_wave(
    app: &App,
    tx: &mut sqlx::PgConnection,
    rows: Vec<Checked>,
    imported: &mut Imported,
) -> Result<Vec<products::Versioned>, Error> {
    let ids: Vec<ProductId> = rows.iter().filter_map(|row| row.id).collect();
    let skus: Vec<String> = rows.iter().filter_map(|row| row.sku.clone()).collect();
    let held = products::lock_all(tx, &ids, &skus).await?;
    let Plan {
        mut create,
        update,
        unchanged,
        failures,
    } = Plan::new(app, rows, held);
    imported.unchanged += unchanged;
    imported.failures.extend(failures);

    if !update.is_empty() {
        products::update_all(tx, &update).await.map_err(taken)?;
        imported.updated += update.len();
    }
    if !create.is_empty() {
        let new: Vec<Product> = create.iter().map(|(product, ..)| product.clone()).collect();
        let inserted: HashSet<ProductId> =
            products::insert_all(tx, &new).await?.into_iter().collect();
        // Somebody else has just taken the id or the number.
        for (_, _, line) in create.extract_if(.., |(new, ..)| !inserted.contains(&new.id)) {
            imported.failures.push(failure(line, &sku_taken()));
        }
        let stocks: Vec<Stock> = create
            .iter()
            .map(|(product, on_hand, _)| Stock {
                product_id: product.id,
                on_hand: *on_hand,
                reserved: 0,
            })
            .collect();
        stock::insert_all(tx, &stocks).await?;
        imported.created += create.len();
    }
    Ok(create
        .iter()
        .map(|(product, ..)| product)
        .chain(&update)
        .map(|product| (product.id, product.version))
        .collect())
}

fn check(row: Row) -> Result<Checked, Violation> {
    let draft = row.draft;
    let (id, sku) = (draft.id()?, draft.sku()?);
    if id.is_none() && sku.is_none() {
        return Err(Violation::new("id", "ID_MISSING", "or sku must be given"));
    }
    let details = draft.details().map_err(|violations| {
        let mut violations = violations.into_iter();
        violations
            .next()
            .unwrap_or_else(|| Violation::new("product", "PRODUCT_INVALID", "is not valid"))
    })?;
    check_initial_stock(row.initial_stock)?;
    Ok(Checked {
        line: row.line,
        id,
        sku,
        details,
        initial_stock: row.initial_stock,
    })
}

/// The rows whose categories are there.
async fn known_categories(
    tx: &mut sqlx::PgConnection,
    rows: Vec<Checked>,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Checked>, Error> {
    let named: HashSet<_> = rows
        .iter()
        .map(|row| row.details.category_id.clone())
        .collect();
    let named: Vec<_> = named.into_iter().collect();
    let known: HashSet<String> = categories::known(tx, &named).await?.into_iter().collect();
    let (known, unknown): (Vec<Checked>, Vec<Checked>) = rows
        .into_iter()
        .partition(|row| known.contains(row.details.category_id.as_str()));
    failures.extend(
        unknown
            .iter()
            .map(|row| failure(row.line, &Violation::category_unknown("category_id"))),
    );
    Ok(known)
}

/// Splits off the rows that name a product which an earlier row names, too.
fn once_each(rows: Vec<Checked>) -> (Vec<Checked>, Vec<Checked>) {
    let (mut ids, mut skus) = (HashSet::new(), HashSet::new());
    rows.into_iter().partition(|row| {
        // Both are noted, whatever the other says; later rows stay in order.
        let new_id = row.id.is_none_or(|id| ids.insert(id));
        let sku = row.sku.clone().or_else(|| row.id.map(|id| id.to_string()));
        let new_sku = sku.is_none_or(|sku| skus.insert(sku));
        new_id && new_sku
    })
}

/// Somebody has just taken a number that a row wants to give to a product.
fn taken(error: StoreError) -> Error {
    match &error {
        StoreError::Database(sqlx::Error::Database(cause)) if cause.is_unique_violation() => {
            Error::SkuTaken
        }
        _ => error.into(),
    }
}

fn sku_taken() -> Violation {
    Violation::new("sku", "SKU_TAKEN", "belongs to another product")
}

fn failure(line: i64, violation: &Violation) -> Failure {
    Failure {
        line,
        reason: violation.reason,
        message: violation.sentence(),
    }
}
