//! Reads the caller's address book.

use svc_kit::caller::Caller;

use crate::{address::SavedAddress, app::App, error::Error, store::addresses};

/// The whole book, oldest first: its size is limited.
///
/// # Errors
/// When the database is away.
#[tracing::instrument(name = "identity.list_addresses", skip_all)]
pub async fn list_addresses(app: &App, caller: &Caller) -> Result<Vec<SavedAddress>, Error> {
    Ok(addresses::list(app.db.writer(), caller.account_id).await?)
}
