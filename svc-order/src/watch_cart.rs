//! The cart now, and again after each change on any device.

use futures::Stream;
use svc_kit::caller::Caller;

use crate::{
    app::App,
    cart::PricedCart,
    error::Error,
    get_cart::{get_cart, priced},
    watch::{self, Seen},
};

/// Watches the caller's cart until the caller has seen enough.
///
/// # Errors
/// `Throttled` when too much is watched, `Unavailable` when Redis or
/// svc-catalog is away.
#[tracing::instrument(name = "order.watch_cart", skip_all)]
pub async fn watch_cart(
    app: &App,
    caller: &Caller,
) -> Result<impl Stream<Item = Result<PricedCart, Error>> + Send + use<>, Error> {
    let watcher = app.watchers.enter(caller.account_id)?;
    let changes = app.cart_changes.subscribe(caller.account_id)?;
    // What fails at once is the call's own error.
    get_cart(app, caller).await?;
    let (app, account) = (app.clone(), caller.account_id);
    Ok(watch::feed(watcher, changes, move |sent| {
        let app = app.clone();
        async move {
            let cart = app.carts.read(account).await?;
            if sent == Some(cart.version) {
                return Ok(None);
            }
            let version = cart.version;
            Ok(Some(Seen {
                value: priced(&app, cart).await?,
                version,
                last: false,
            }))
        }
    }))
}
