//! Empties the cart.

use svc_kit::caller::Caller;

use crate::{app::App, cart::PricedCart, error::Error, product::Offers, store::carts::Change};

/// Takes everything out of the cart, if it has the version that is expected
/// or none is.
///
/// # Errors
/// `Contended` when the cart was changed elsewhere, `Unavailable` when Redis is
/// away.
#[tracing::instrument(name = "order.clear_cart", skip_all)]
pub async fn clear_cart(
    app: &App,
    caller: &Caller,
    expected_version: i64,
) -> Result<PricedCart, Error> {
    match app.carts.clear(caller.account_id, expected_version).await? {
        Change::Done(cart) => Ok(cart.priced(&Offers::new())),
        Change::Contended(version) => Err(Error::CartChanged { version }),
        Change::Full => Err(Error::Impossible("an emptied cart is full")),
    }
}
