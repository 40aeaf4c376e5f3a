//! Tells everybody that products are not what they were: the cache before the
//! commit, the others by an event with the commit.

use proto::souk::event::v1::ProductChanged;
use sqlx::PgConnection;
use svc_kit::{error::StoreError, outbox};

use crate::{
    app::App,
    store::{cache_repairs, products::Versioned},
};

/// Stands for every list of products.
const TAG_PRODUCTS: &str = "products";

/// Stands for the tree of categories.
const TAG_CATEGORIES: &str = "categories";

/// Announces changed products. The caller has written and holds their rows,
/// and calls this last before it commits.
///
/// # Errors
/// Those of the database. An absent cache is none: it is told later.
pub async fn products_changed(
    app: &App,
    tx: &mut PgConnection,
    changed: &[Versioned],
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    for versioned in changed {
        outbox::put(tx, &product_changed(*versioned), &app.clock).await?;
    }
    if app.cache.fence(changed).await.is_err() {
        cache_repairs::insert_all(tx, changed).await?;
        app.repair.notify_one();
    }
    Ok(())
}

/// Announces that the tree of categories has changed.
///
/// # Errors
/// Those of the database.
pub async fn categories_changed(app: &App, tx: &mut PgConnection) -> Result<(), StoreError> {
    let event = ProductChanged {
        product_id: String::new(), // of no product in particular
        version: 0,
        tags: vec![TAG_CATEGORIES.to_owned()],
    };
    outbox::put(tx, &event, &app.clock).await?;
    Ok(())
}

/// The event of a changed product.
pub fn product_changed((id, version): Versioned) -> ProductChanged {
    ProductChanged {
        product_id: id.to_string(),
        version,
        tags: vec![format!("product:{id}"), TAG_PRODUCTS.to_owned()],
    }
}
