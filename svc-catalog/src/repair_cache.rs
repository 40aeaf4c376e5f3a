//! Tells the cache of changes that were committed while it was away. See
//! [`crate::cache`].

use anyhow::Context as _;
use svc_kit::outbox;

use crate::{announce::product_changed, app::App, store::cache_repairs};

/// Products repaired in one go.
const BATCH: i64 = 500;

/// Repairs some products; false when there are none to repair. Announces them
/// again: an edge may have fetched what was stale.
///
/// # Errors
/// While Redis is away, and those of the database.
#[tracing::instrument(name = "catalog.repair_cache", skip_all)]
pub async fn repair_cache(app: &App) -> anyhow::Result<bool> {
    let behind = cache_repairs::some(app.db.writer(), BATCH).await?;
    if behind.is_empty() {
        return Ok(false);
    }
    app.cache.fence(&behind).await.context("not repaired")?;
    let mut tx = app.db.begin().await?;
    for versioned in cache_repairs::delete_all(&mut tx, &behind).await? {
        outbox::put(&mut tx, &product_changed(versioned), &app.clock).await?;
    }
    tx.commit().await?;
    tracing::info!(products = behind.len(), "cache repaired");
    Ok(true)
}
