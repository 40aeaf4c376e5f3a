//! The caller's cart, with prices of now.

use svc_kit::caller::Caller;

use crate::{
    app::App,
    cart::{Cart, PricedCart},
    error::Error,
};

/// Finds the cart and what its products cost now.
///
/// # Errors
/// `Unavailable` when Redis or svc-catalog is away.
#[tracing::instrument(name = "order.get_cart", skip_all)]
pub async fn get_cart(app: &App, caller: &Caller) -> Result<PricedCart, Error> {
    let cart = app.carts.read(caller.account_id).await?;
    priced(app, cart).await
}

/// A cart with what its products cost now.
pub(crate) async fn priced(app: &App, cart: Cart) -> Result<PricedCart, Error> {
    let offers = app.catalog.offers(cart.product_ids()).await?;
    Ok(cart.priced(&offers))
}
