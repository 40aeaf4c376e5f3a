//! Puts a product into the cart, changes how many, or takes it out.

use svc_kit::caller::Caller;

use crate::{
    app::App, cart::PricedCart, error::Error, order::placement::Refused, product::Item,
    store::carts::Change,
};

/// How many of a product there shall be.
#[derive(Debug, Clone, Copy)]
pub struct SetCartItem {
    /// Of what, how many; 0 takes it out.
    pub item: Item,
    /// When not 0: the version that the cart must have.
    pub expected_version: i64,
}

/// Sets how many of a product are in the cart.
///
/// # Errors
/// `Invalid` for a product that the catalog does not have, `Contended` when the
/// cart was changed elsewhere, `Conflict` when it is full, `Unavailable` when
/// Redis or svc-catalog is away.
#[tracing::instrument(name = "order.set_cart_item", skip_all)]
pub async fn set_cart_item(
    app: &App,
    caller: &Caller,
    command: SetCartItem,
) -> Result<PricedCart, Error> {
    let product = command.item.product_id;
    // Asked for before the change, so that what is unknown never gets in and
    // the answer needs no second call.
    let mut asked = app.carts.read(caller.account_id).await?.product_ids();
    if !asked.contains(&product) {
        asked.push(product);
    }
    let mut offers = app.catalog.offers(asked.clone()).await?;
    if command.item.quantity > 0 && !offers.contains_key(&product) {
        return Err(Refused::ProductUnknown(vec![product]).into());
    }
    let change = app
        .carts
        .set(caller.account_id, command.item, command.expected_version)
        .await?;
    let cart = match change {
        Change::Done(cart) => cart,
        Change::Contended(version) => return Err(Error::CartChanged { version }),
        Change::Full => return Err(Error::CartFull),
    };
    // Another device may have put something in at the same time.
    let products = cart.product_ids();
    if products.iter().any(|id| !asked.contains(id)) {
        offers = app.catalog.offers(products).await?;
    }
    Ok(cart.priced(&offers))
}
