//! `leases`: who does what only one process may do.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use svc_kit::error::StoreError;
use uuid::Uuid;

/// Takes a lease, or prolongs it; false while somebody else has it.
pub async fn take(
    db: impl PgExecutor<'_>,
    name: &str,
    holder: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        "INSERT INTO leases (name, holder, expire_time) VALUES ($1, $2, $4)
         ON CONFLICT (name) DO UPDATE SET holder = $2, expire_time = $4
         WHERE leases.holder = $2 OR leases.expire_time <= $3",
        name,
        holder,
        now,
        until,
    )
    .execute(db)
    .await?;
    Ok(taken.rows_affected() == 1)
}
