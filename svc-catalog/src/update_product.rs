//! Changes what a mask names of a product.

use crate::{
    announce,
    app::App,
    error::Error,
    product::{Draft, Mask, Product},
    store::{categories, products},
    violation::Violation,
};

/// Changes a product. With an etag, only if nobody else changed it first. A
/// change to what it is already writes nothing.
///
/// # Errors
/// Broken rules, `ProductNotFound`, `EtagMismatch`.
#[tracing::instrument(name = "catalog.update_product", skip_all)]
pub async fn update_product(app: &App, draft: Draft, mask: &[String]) -> Result<Product, Error> {
    let id = draft
        .id()
        .and_then(|id| id.ok_or_else(|| Violation::new("id", "ID_INVALID", "must be a UUID")))
        .map_err(|violation| Error::product(vec![violation]))?;
    let mask = Mask::new(mask).map_err(Error::request)?;
    let patch = draft.patch(&mask).map_err(Error::product)?;

    let mut tx = app.db.begin().await?;
    let old = products::lock(&mut tx, id)
        .await?
        .ok_or(Error::ProductNotFound(id))?;
    if !draft.etag.is_empty() && draft.etag != old.etag() {
        return Err(Error::EtagMismatch {
            current: old.etag(),
        });
    }
    let Some(new) = old.changed(patch.on(&old.details), None, app.clock.now()) else {
        return Ok(old);
    };
    if new.details.category_id != old.details.category_id
        && categories::path(&mut *tx, &new.details.category_id)
            .await?
            .is_empty()
    {
        return Err(Error::product(vec![Violation::category_unknown(
            "category_id",
        )]));
    }
    products::update_all(&mut tx, std::slice::from_ref(&new)).await?;
    announce::products_changed(app, &mut tx, &[(new.id, new.version)]).await?;
    tx.commit().await?;
    Ok(new)
}
