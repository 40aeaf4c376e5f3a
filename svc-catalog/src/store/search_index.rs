//! `search_pending` and `search_indexes`: how far the search server is behind.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{product::ProductId, store::products::Versioned};

/// Notes that a product's document is behind.
pub async fn push(tx: &mut PgConnection, id: ProductId, version: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO search_pending (product_id, version) VALUES ($1, $2)
         ON CONFLICT (product_id)
         DO UPDATE SET version = GREATEST(search_pending.version, EXCLUDED.version)",
        id.0,
        version,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Some products whose documents are behind.
pub async fn pending(db: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Versioned>, StoreError> {
    let rows = sqlx::query!(
        "SELECT product_id, version FROM search_pending LIMIT $1",
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ProductId(row.product_id), row.version))
        .collect())
}

/// Forgets what the search server now has; a later change stays.
pub async fn done(db: impl PgExecutor<'_>, indexed: &[Versioned]) -> Result<(), StoreError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) =
        indexed.iter().map(|(id, version)| (id.0, *version)).unzip();
    sqlx::query!(
        "DELETE FROM search_pending
         USING UNNEST($1::uuid[], $2::bigint[]) AS indexed (product_id, version)
         WHERE search_pending.product_id = indexed.product_id
           AND search_pending.version = indexed.version",
        &ids,
        &versions,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// With which settings an index was built; `None` when it never was.
pub async fn built(db: impl PgExecutor<'_>, name: &str) -> Result<Option<i32>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT settings_version FROM search_indexes WHERE name = $1",
        name,
    )
    .fetch_optional(db)
    .await?)
}

/// Notes that an index was built.
pub async fn set_built(
    db: impl PgExecutor<'_>,
    name: &str,
    settings_version: i32,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO search_indexes (name, settings_version, build_time) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET settings_version = $2, build_time = $3",
        name,
        settings_version,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
