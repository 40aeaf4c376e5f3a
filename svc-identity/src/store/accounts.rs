//! All SQL on `accounts`.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use svc_kit::{error::StoreError, id::AccountId};
use uuid::Uuid;

use crate::{
    account::{Account, DisplayName, Email, Role},
    password::PasswordHash,
};

/// An account with what proves who its owner is.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub account: Account,
    /// Of the owner's password.
    pub password_hash: PasswordHash,
}

struct Row {
    id: Uuid,
    email: String,
    password_hash: String,
    display_name: String,
    roles: Vec<String>,
    version: i64,
    session_epoch: i64,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Credentials {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let roles: Result<Vec<Role>, _> = row.roles.iter().map(|role| role.parse()).collect();
        Ok(Self {
            account: Account {
                id: AccountId(row.id),
                email: Email::stored(row.email),
                display_name: DisplayName::stored(row.display_name),
                roles: roles.map_err(|error| StoreError::Corrupt {
                    table: "accounts",
                    why: error.to_string(),
                })?,
                version: row.version,
                session_epoch: row.session_epoch,
                create_time: row.create_time,
            },
            password_hash: PasswordHash::new(row.password_hash),
        })
    }
}

/// Keeps a new account; false when its address is taken.
///
/// # Errors
/// When the database refuses or is away.
pub async fn insert(
    tx: &mut PgConnection,
    account: &Account,
    password_hash: &PasswordHash,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO accounts (id, email, password_hash, display_name, roles, version,
             session_epoch, create_time, update_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         ON CONFLICT (email) DO NOTHING",
        account.id.0,
        account.email.as_str(),
        password_hash.as_str(),
        account.display_name.as_str(),
        &account.role_names(),
        account.version,
        account.session_epoch,
        account.create_time,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The account with this address.
///
/// # Errors
/// When the database refuses or is away, or the row makes no sense.
pub async fn find_by_email(
    db: impl PgExecutor<'_>,
    email: &Email,
) -> Result<Option<Credentials>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, email, password_hash, display_name, roles, version, session_epoch, create_time
         FROM accounts WHERE email = $1",
        email.as_str(),
    )
    .fetch_optional(db)
    .await?
    .map(Credentials::try_from)
    .transpose()
}

/// The account with this id.
///
/// # Errors
/// When the database refuses or is away, or the row makes no sense.
pub async fn find(db: impl PgExecutor<'_>, id: AccountId) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, email, password_hash, display_name, roles, version, session_epoch, create_time
         FROM accounts WHERE id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row
        .map(Credentials::try_from)
        .transpose()?
        .map(|credentials| credentials.account))
}

/// Holds an account's row until the transaction ends; false when there is
/// none. Whoever changes the account's address book holds it.
///
/// # Errors
/// When the database refuses or is away.
pub async fn lock(tx: &mut PgConnection, id: AccountId) -> Result<bool, StoreError> {
    let row = sqlx::query!("SELECT id FROM accounts WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx)
        .await?;
    Ok(row.is_some())
}

/// Gives an account another display name, provided that it still is of this
/// version, if one is given; none when it is not, or there is no account.
///
/// # Errors
/// When the database refuses or is away, or the row makes no sense.
pub async fn rename(
    db: impl PgExecutor<'_>,
    id: AccountId,
    display_name: &DisplayName,
    version: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "UPDATE accounts SET display_name = $2, version = version + 1, update_time = $4
         WHERE id = $1 AND ($3::bigint IS NULL OR version = $3)
         RETURNING id, email, password_hash, display_name, roles, version, session_epoch,
             create_time",
        id.0,
        display_name.as_str(),
        version,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row
        .map(Credentials::try_from)
        .transpose()?
        .map(|credentials| credentials.account))
}

/// Gives an account other roles and another password, and ends its sessions.
///
/// # Errors
/// When the database refuses or is away.
pub async fn take_over(
    db: impl PgExecutor<'_>,
    id: AccountId,
    roles: &[Role],
    password_hash: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let roles: Vec<String> = roles.iter().map(|role| role.name().to_owned()).collect();
    sqlx::query!(
        "UPDATE accounts SET roles = $2, password_hash = $3, version = version + 1,
             session_epoch = session_epoch + 1, update_time = $4
         WHERE id = $1",
        id.0,
        &roles,
        password_hash.as_str(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
