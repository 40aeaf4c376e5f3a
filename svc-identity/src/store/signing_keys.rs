//! All SQL on `signing_keys`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::error::StoreError;
use uuid::Uuid;

use crate::signing_key::{KeyId, KeyTimes, SigningKey};

struct Row {
    id: Uuid,
    private_key: Vec<u8>,
    public_key: Vec<u8>,
    create_time: DateTime<Utc>,
    activate_time: DateTime<Utc>,
    retire_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for SigningKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let times = KeyTimes {
            id: KeyId(row.id),
            activate_time: row.activate_time,
            retire_time: row.retire_time,
        };
        Self::stored(times, row.create_time, row.private_key, &row.public_key).map_err(|error| {
            StoreError::Corrupt {
                table: "signing_keys",
                why: error.to_string(),
            }
        })
    }
}

/// Keeps every other replica from changing the keys until the transaction
/// ends; they may still be read.
///
/// # Errors
/// When the database refuses or is away.
pub async fn lock(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
        .execute(tx)
        .await?;
    Ok(())
}

/// All keys, oldest first.
///
/// # Errors
/// When the database refuses or is away, or a row holds no key.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<SigningKey>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, private_key, public_key, create_time, activate_time, retire_time
         FROM signing_keys ORDER BY activate_time, id",
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(SigningKey::try_from)
    .collect()
}

/// Keeps a new key, and retires the others when it begins to sign.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert_successor(tx: &mut PgConnection, key: &SigningKey) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE signing_keys SET retire_time = $1 WHERE retire_time IS NULL",
        key.times.activate_time,
    )
    .execute(&mut *tx)
    .await?;
    let private_key = key.private_bytes();
    let public_key = key.public_bytes();
    sqlx::query!(
        "INSERT INTO signing_keys (id, private_key, public_key, create_time, activate_time)
         VALUES ($1, $2, $3, $4, $5)",
        key.times.id.0,
        private_key.as_slice(),
        public_key.as_slice(),
        key.create_time,
        key.times.activate_time,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes a key with its secret.
///
/// # Errors
/// When the database refuses or is away.
pub async fn delete(tx: &mut PgConnection, id: KeyId) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM signing_keys WHERE id = $1", id.0)
        .execute(tx)
        .await?;
    Ok(())
}
