//! `cache_repairs`: changes that the cache has yet to be told of.

use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::{product::ProductId, store::products::Versioned};

/// Notes changes, in the transaction that makes them.
pub async fn insert_all(tx: &mut PgConnection, changed: &[Versioned]) -> Result<(), StoreError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) =
        changed.iter().map(|(id, version)| (id.0, *version)).unzip();
    sqlx::query!(
        "INSERT INTO cache_repairs (product_id, version)
         SELECT product_id, version FROM UNNEST($1::uuid[], $2::bigint[]) AS new (product_id, version)
         ORDER BY product_id
         ON CONFLICT (product_id)
         DO UPDATE SET version = GREATEST(cache_repairs.version, EXCLUDED.version)",
        &ids,
        &versions,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Some of what is noted.
pub async fn some(db: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Versioned>, StoreError> {
    let rows = sqlx::query!(
        "SELECT product_id, version FROM cache_repairs LIMIT $1",
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ProductId(row.product_id), row.version))
        .collect())
}

/// Forgets what the cache now knows; a later change of the same product stays.
/// Returns what was forgotten: by one caller only, however many try.
pub async fn delete_all(
    tx: &mut PgConnection,
    told: &[Versioned],
) -> Result<Vec<Versioned>, StoreError> {
    let (ids, versions): (Vec<Uuid>, Vec<i64>) =
        told.iter().map(|(id, version)| (id.0, *version)).unzip();
    let rows = sqlx::query!(
        "WITH told AS (
             SELECT product_id FROM cache_repairs
             JOIN UNNEST($1::uuid[], $2::bigint[]) AS told (product_id, version)
                  USING (product_id, version)
             ORDER BY product_id FOR UPDATE OF cache_repairs)
         DELETE FROM cache_repairs USING told
         WHERE cache_repairs.product_id = told.product_id
         RETURNING cache_repairs.product_id, cache_repairs.version",
        &ids,
        &versions,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ProductId(row.product_id), row.version))
        .collect())
}
