//! Removes an address from the caller's book.

use svc_kit::caller::Caller;

use crate::{
    address::AddressId,
    app::App,
    error::Error,
    store::{accounts, addresses},
};

/// Removes the address. When it was the default, the oldest of the others is
/// it from now on.
///
/// # Errors
/// `NotFound` when the caller has no such address.
#[tracing::instrument(name = "identity.delete_address", skip_all)]
pub async fn delete_address(app: &App, caller: &Caller, id: AddressId) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    if !accounts::lock(&mut tx, caller.account_id).await? {
        return Err(Error::AccountNotFound);
    }
    let was_default = addresses::delete(&mut tx, caller.account_id, id)
        .await?
        .ok_or(Error::AddressNotFound)?;
    if was_default {
        addresses::set_oldest_default(&mut tx, caller.account_id).await?;
    }
    tx.commit().await?;
    Ok(())
}
