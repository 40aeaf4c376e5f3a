//! Ends the session of the caller's token.

use svc_kit::caller::Caller;

use crate::{app::App, error::Error, revoke_session::revoke_session, session::SessionId};

/// Ends the session; a second time changes nothing.
///
/// # Errors
/// When the database is away.
#[tracing::instrument(name = "identity.log_out", skip_all)]
pub async fn log_out(app: &App, caller: &Caller) -> Result<(), Error> {
    revoke_session(app, caller.account_id, SessionId(caller.session_id)).await
}
