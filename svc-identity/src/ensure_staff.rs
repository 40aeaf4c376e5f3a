//! Makes sure of the staff account that the configuration names.

use svc_kit::id::AccountId;

use crate::{
    account::{Account, DisplayName, Email, Role},
    app::App,
    error::Error,
    password::Password,
    store::accounts,
};

const ROLES: [Role; 2] = [Role::Customer, Role::Staff];

const DISPLAY_NAME: &str = "Staff";

/// The account that must be there.
#[derive(Debug, Clone)]
pub struct Staff {
    /// Its address.
    pub email: Email,
    /// Its password, whatever it was before.
    pub password: Password,
}

/// Opens the account, or gives the one with this address these roles and this
/// password. The latter ends the sessions that it had: whoever opened it may
/// not have been staff. Nobody is told by mail.
///
/// # Errors
/// When the database is away.
pub async fn ensure_staff(app: &App, staff: Staff) -> Result<(), Error> {
    let mut found = accounts::find_by_email(app.db.writer(), &staff.email).await?;
    if found.is_none() {
        let account = Account::open(
            AccountId::generate(&app.clock),
            staff.email.clone(),
            DisplayName::parse("display_name", DISPLAY_NAME)?,
            ROLES.to_vec(),
            app.clock.now(),
        );
        let hash = app.hasher.hash(staff.password.clone()).await?;
        let mut tx = app.db.begin().await?;
        let opened = accounts::insert(&mut tx, &account, &hash).await?;
        tx.commit().await?;
        if opened {
            tracing::info!(account_id = %account.id, "staff account opened");
            return Ok(());
        }
        // Another replica was faster.
        found = accounts::find_by_email(app.db.writer(), &staff.email).await?;
    }
    let Some(found) = found else {
        return Err(Error::AccountNotFound);
    };
    let has_roles = ROLES.iter().all(|role| found.account.roles.contains(role));
    let has_password = app
        .hasher
        .verify(Some(staff.password.clone()), Some(found.password_hash))
        .await?;
    if !(has_roles && has_password) {
        let hash = app.hasher.hash(staff.password).await?;
        let id = found.account.id;
        accounts::take_over(app.db.writer(), id, &ROLES, &hash, app.clock.now()).await?;
        tracing::info!(account_id = %id, "staff account brought up to date");
    }
    Ok(())
}
