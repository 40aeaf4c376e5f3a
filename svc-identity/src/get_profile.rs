//! Reads the caller's own account.

use svc_kit::caller::Caller;

use crate::{account::Account, app::App, error::Error, store::accounts};

/// The caller's account, as it was just written.
///
/// # Errors
/// `NotFound` when the account is gone.
#[tracing::instrument(name = "identity.get_profile", skip_all)]
pub async fn get_profile(app: &App, caller: &Caller) -> Result<Account, Error> {
    accounts::find(app.db.writer(), caller.account_id)
        .await?
        .ok_or(Error::AccountNotFound)
}
