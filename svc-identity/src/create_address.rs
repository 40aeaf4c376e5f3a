//! Adds an address to the caller's book.

use svc_kit::caller::Caller;

use crate::{
    address::{ADDRESSES_MAX, AddressId, Entry, SavedAddress},
    app::App,
    error::Error,
    store::{accounts, addresses},
};

/// What is added.
#[derive(Debug)]
pub struct CreateAddress {
    /// What the owner wrote.
    pub entry: Entry,
    /// Takes the place of the default; the first address is it anyway.
    pub is_default: bool,
}

/// Adds the address.
///
/// # Errors
/// `Conflict` when the book is full; `NotFound` when the account is gone.
#[tracing::instrument(name = "identity.create_address", skip_all)]
pub async fn create_address(
    app: &App,
    caller: &Caller,
    command: CreateAddress,
) -> Result<SavedAddress, Error> {
    let mut tx = app.db.begin().await?;
    if !accounts::lock(&mut tx, caller.account_id).await? {
        return Err(Error::AccountNotFound);
    }
    let count = addresses::count(&mut tx, caller.account_id).await?;
    if count >= ADDRESSES_MAX {
        return Err(Error::AddressBookFull);
    }
    let address = SavedAddress {
        id: AddressId::generate(&app.clock),
        entry: command.entry,
        is_default: command.is_default || count == 0,
    };
    if address.is_default {
        addresses::clear_default(&mut tx, caller.account_id).await?;
    }
    addresses::insert(&mut tx, caller.account_id, &address, app.clock.now()).await?;
    tx.commit().await?;
    Ok(address)
}
