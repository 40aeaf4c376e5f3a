//! The table `contacts`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::error::StoreError;

use crate::contact::Contact;

/// Writes a contact; a later one of the same account replaces it.
///
/// # Errors
/// When the database does not answer.
pub async fn upsert(
    tx: &mut PgConnection,
    contact: &Contact,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO contacts (account_id, email, display_name, create_time)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (account_id) DO UPDATE SET email = $2, display_name = $3",
        contact.account_id.0,
        contact.email,
        contact.display_name,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
