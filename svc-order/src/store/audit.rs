//! The table `audit_records`. It only grows.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{error::StoreError, id::AccountId};
use uuid::Uuid;

use crate::{
    audit::{AuditId, AuditRecord},
    order::OrderId,
};

struct Row {
    account_id: Uuid,
    id: Uuid,
    order_id: Uuid,
    action: String,
    actor_id: Uuid,
    reason: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: AuditId(row.id),
            account_id: AccountId(row.account_id),
            order_id: OrderId(row.order_id),
            action: row.action.parse().map_err(|why| StoreError::Corrupt {
                table: "audit_records",
                why,
            })?,
            actor_id: AccountId(row.actor_id),
            reason: row.reason,
            created_at: row.created_at,
        })
    }
}

/// Adds a record.
///
/// # Errors
/// When the database is away.
pub async fn insert(tx: &mut PgConnection, record: &AuditRecord) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_records (account_id, id, order_id, action, actor_id, reason, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        record.account_id.0,
        record.id.0,
        record.order_id.0,
        record.action.as_str(),
        record.actor_id.0,
        record.reason,
        record.created_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records of an order, or of all, before one of them, newest first.
///
/// # Errors
/// When the database is away or holds nonsense.
pub async fn list(
    db: &mut PgConnection,
    order: Option<OrderId>,
    before: Option<AuditId>,
    limit: u32,
) -> Result<Vec<AuditRecord>, StoreError> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    sqlx::query_as!(
        Row,
        "SELECT account_id, id, order_id, action, actor_id, reason, created_at
         FROM audit_records
         WHERE ($1::uuid IS NULL OR order_id = $1) AND id < $2
         ORDER BY id DESC LIMIT $3",
        order.map(|id| id.0),
        before,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(AuditRecord::try_from)
    .collect()
}
