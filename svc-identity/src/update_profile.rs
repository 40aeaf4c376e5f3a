//! Changes the caller's own account.

use svc_kit::caller::Caller;

use crate::{
    account::{Account, DisplayName},
    app::App,
    error::Error,
    get_profile::get_profile,
    store::accounts,
};

/// What changes.
#[derive(Debug)]
pub struct UpdateProfile {
    /// How they want to be addressed from now on.
    pub display_name: DisplayName,
    /// The version that the caller has seen; none changes any.
    pub version: Option<i64>,
}

/// Changes the account, unless it is not what the caller has seen.
///
/// # Errors
/// `Contended` when the account changed since; `NotFound` when it is gone.
#[tracing::instrument(name = "identity.update_profile", skip_all)]
pub async fn update_profile(
    app: &App,
    caller: &Caller,
    command: UpdateProfile,
) -> Result<Account, Error> {
    let changed = accounts::rename(
        app.db.writer(),
        caller.account_id,
        &command.display_name,
        command.version,
        app.clock.now(),
    )
    .await?;
    if let Some(account) = changed {
        return Ok(account);
    }
    get_profile(app, caller).await?;
    Err(Error::EtagStale)
}
