//! Opens an account and logs it in.

use svc_kit::{id::AccountId, outbox};

use crate::{
    account::{Account, DisplayName, Email, Role},
    app::App,
    error::Error,
    open_session::open_session,
    password::Password,
    session::Tokens,
    store::accounts,
};

/// What a new customer says.
#[derive(Debug)]
pub struct Register {
    /// Must not be in use.
    pub email: Email,
    /// Must be strong enough.
    pub password: Password,
    /// How they want to be addressed.
    pub display_name: DisplayName,
}

/// Opens an account and announces it. Of several with one address at the same
/// time, one is opened.
///
/// # Errors
/// `Exists` when the address is taken, `Throttled` when too many passwords
/// wait to be hashed.
#[tracing::instrument(name = "identity.register", skip_all)]
pub async fn register(app: &App, command: Register) -> Result<(Account, Tokens), Error> {
    let password_hash = app.hasher.hash(command.password).await?;
    let account = Account::open(
        AccountId::generate(&app.clock),
        command.email,
        command.display_name,
        vec![Role::Customer],
        app.clock.now(),
    );

    let mut tx = app.db.begin().await?;
    if !accounts::insert(&mut tx, &account, &password_hash).await? {
        return Err(Error::EmailTaken);
    }
    outbox::put(&mut tx, &account.registered(), &app.clock).await?;
    tx.commit().await?;

    tracing::info!(account_id = %account.id, "account opened");
    let tokens = open_session(app, &account).await?;
    Ok((account, tokens))
}
