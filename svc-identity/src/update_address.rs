//! Replaces an address of the caller's book.

use svc_kit::caller::Caller;

use crate::{
    address::{AddressId, Entry, SavedAddress},
    app::App,
    error::Error,
    store::{accounts, addresses},
};

/// What takes its place.
#[derive(Debug)]
pub struct UpdateAddress {
    /// Which address.
    pub id: AddressId,
    /// What the owner wrote.
    pub entry: Entry,
    /// Takes the place of the default. The default stays it until another is.
    pub is_default: bool,
}

/// Replaces the address.
///
/// # Errors
/// `NotFound` when the caller has no such address.
#[tracing::instrument(name = "identity.update_address", skip_all)]
pub async fn update_address(
    app: &App,
    caller: &Caller,
    command: UpdateAddress,
) -> Result<SavedAddress, Error> {
    let mut tx = app.db.begin().await?;
    if !accounts::lock(&mut tx, caller.account_id).await? {
        return Err(Error::AccountNotFound);
    }
    let was_default = addresses::replace(
        &mut tx,
        caller.account_id,
        command.id,
        &command.entry,
        app.clock.now(),
    )
    .await?
    .ok_or(Error::AddressNotFound)?;
    if command.is_default && !was_default {
        addresses::clear_default(&mut tx, caller.account_id).await?;
        addresses::set_default(&mut tx, caller.account_id, command.id).await?;
    }
    tx.commit().await?;
    Ok(SavedAddress {
        id: command.id,
        entry: command.entry,
        is_default: was_default || command.is_default,
    })
}
