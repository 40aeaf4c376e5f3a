//! Trades an address and a password for tokens.

use crate::{
    account::{Account, Email},
    app::App,
    error::Error,
    open_session::open_session,
    password::Password,
    session::Tokens,
    store::accounts,
};

/// What somebody says who wants in. What cannot be an address or a password is
/// none: it is wrong like any other.
#[derive(Debug)]
pub struct LogIn {
    /// Whose account.
    pub email: Option<Email>,
    /// The proof.
    pub password: Option<Password>,
}

/// Begins a session. A wrong address and a wrong password are told apart
/// neither by the answer nor by the time that it takes.
///
/// # Errors
/// `Unauthenticated` when either is wrong; `Throttled` when the address is
/// locked or too many passwords wait to be hashed.
#[tracing::instrument(name = "identity.log_in", skip_all)]
pub async fn log_in(app: &App, command: LogIn) -> Result<(Account, Tokens), Error> {
    let Some(email) = command.email else {
        app.hasher.verify(command.password, None).await?;
        return Err(Error::CredentialsWrong);
    };
    let failures = app.lockout.check(&email).await?;
    let (account, kept) = match accounts::find_by_email(app.db.writer(), &email).await? {
        Some(found) => (Some(found.account), Some(found.password_hash)),
        None => (None, None),
    };
    let proved = app.hasher.verify(command.password, kept).await?;
    let Some(account) = account.filter(|_| proved) else {
        app.lockout.failed(&email).await;
        return Err(Error::CredentialsWrong);
    };
    if failures > 0 {
        app.lockout.succeeded(&email).await;
    }
    let tokens = open_session(app, &account).await?;
    tracing::info!(account_id = %account.id, "logged in");
    Ok((account, tokens))
}
