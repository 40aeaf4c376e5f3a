//! All SQL on `addresses`. Whoever changes a book holds its account's row.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, id::AccountId};
use uuid::Uuid;

use crate::address::{AddressId, Entry, SavedAddress};

struct Row {
    id: Uuid,
    label: String,
    recipient: String,
    address_lines: Vec<String>,
    locality: String,
    administrative_area: String,
    postal_code: String,
    region_code: String,
    is_default: bool,
}

impl From<Row> for SavedAddress {
    fn from(row: Row) -> Self {
        Self {
            id: AddressId(row.id),
            entry: Entry {
                label: row.label,
                recipient: row.recipient,
                lines: row.address_lines,
                locality: row.locality,
                administrative_area: row.administrative_area,
                postal_code: row.postal_code,
                region_code: row.region_code,
            },
            is_default: row.is_default,
        }
    }
}

/// The book of an account, oldest first.
///
/// # Errors
/// When the database refuses or is away.
pub async fn list(
    db: impl PgExecutor<'_>,
    account_id: AccountId,
) -> Result<Vec<SavedAddress>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, label, recipient, address_lines, locality, administrative_area, postal_code,
             region_code, is_default
         FROM addresses WHERE account_id = $1 ORDER BY create_time, id",
        account_id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(SavedAddress::from).collect())
}

/// How many addresses the book has.
///
/// # Errors
/// When the database refuses or is away.
pub async fn count(tx: &mut PgConnection, account_id: AccountId) -> Result<i64, StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!" FROM addresses WHERE account_id = $1"#,
        account_id.0,
    )
    .fetch_one(tx)
    .await?;
    Ok(row.count)
}

/// Keeps a new address.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert(
    tx: &mut PgConnection,
    account_id: AccountId,
    address: &SavedAddress,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let entry = &address.entry;
    sqlx::query!(
        "INSERT INTO addresses (id, account_id, label, recipient, address_lines, locality,
             administrative_area, postal_code, region_code, is_default, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        address.id.0,
        account_id.0,
        entry.label,
        entry.recipient,
        &entry.lines,
        entry.locality,
        entry.administrative_area,
        entry.postal_code,
        entry.region_code,
        address.is_default,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Replaces what the owner wrote; tells whether it is the default, or none
/// when the account has no such address.
///
/// # Errors
/// When the database refuses or is away.
pub async fn replace(
    tx: &mut PgConnection,
    account_id: AccountId,
    id: AddressId,
    entry: &Entry,
    now: DateTime<Utc>,
) -> Result<Option<bool>, StoreError> {
    let row = sqlx::query!(
        "UPDATE addresses SET label = $3, recipient = $4, address_lines = $5, locality = $6,
             administrative_area = $7, postal_code = $8, region_code = $9, update_time = $10
         WHERE id = $1 AND account_id = $2 RETURNING is_default",
        id.0,
        account_id.0,
        entry.label,
        entry.recipient,
        &entry.lines,
        entry.locality,
        entry.administrative_area,
        entry.postal_code,
        entry.region_code,
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| row.is_default))
}

/// Removes an address; tells whether it was the default, or none when the
/// account has no such address.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete(
    tx: &mut PgConnection,
    account_id: AccountId,
    id: AddressId,
) -> Result<Option<bool>, StoreError> {
    let row = sqlx::query!(
        "DELETE FROM addresses WHERE id = $1 AND account_id = $2 RETURNING is_default",
        id.0,
        account_id.0,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| row.is_default))
}

/// No address of the book is the default.
///
/// # Errors
/// When the database refuses or is away.
pub async fn clear_default(tx: &mut PgConnection, account_id: AccountId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE addresses SET is_default = false WHERE account_id = $1 AND is_default",
        account_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes this address the default.
///
/// # Errors
/// When the database refuses or is away, or another address is the default.
pub async fn set_default(
    tx: &mut PgConnection,
    account_id: AccountId,
    id: AddressId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE addresses SET is_default = true WHERE id = $1 AND account_id = $2",
        id.0,
        account_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes the oldest address the default, if the book has any.
///
/// # Errors
/// When the database refuses or is away, or another address is the default.
pub async fn set_oldest_default(
    tx: &mut PgConnection,
    account_id: AccountId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE addresses SET is_default = true WHERE id = (
             SELECT id FROM addresses WHERE account_id = $1 ORDER BY create_time, id LIMIT 1)",
        account_id.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}
