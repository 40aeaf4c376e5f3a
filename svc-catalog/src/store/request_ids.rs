//! `request_ids`: the answers that CreateProduct gave.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, types::Json};
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::product::{Product, Snapshot};

/// An answer that was given before.
pub struct Earlier {
    /// Of the request.
    pub body_hash: Vec<u8>,
    /// To it.
    pub answer: Product,
}

/// What was answered to a request id.
pub async fn find(
    db: impl PgExecutor<'_>,
    request_id: Uuid,
) -> Result<Option<Earlier>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT body_hash, answer AS "answer: Json<Snapshot>"
           FROM request_ids WHERE request_id = $1"#,
        request_id,
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let answer = Product::try_from(row.answer.0).map_err(|error| StoreError::Corrupt {
            table: "request_ids",
            why: format!("answer of {request_id}: {error}"),
        })?;
        Ok(Earlier {
            body_hash: row.body_hash,
            answer,
        })
    })
    .transpose()
}

/// Claims a request id with its answer; false when it is taken. Waits for
/// another transaction that is claiming it.
pub async fn insert(
    tx: &mut PgConnection,
    request_id: Uuid,
    body_hash: &[u8],
    answer: &Product,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO request_ids (request_id, body_hash, answer, create_time)
         VALUES ($1, $2, $3, $4) ON CONFLICT (request_id) DO NOTHING",
        request_id,
        body_hash,
        Json(Snapshot::from(answer)) as _,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
