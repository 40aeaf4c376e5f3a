//! Buys: makes an order of items, or of what is in the cart.

use std::sync::Arc;

use svc_kit::{caller::Caller, error::StoreError, id::AccountId, money::Money};

use crate::{
    address::Address,
    app::App,
    error::Error,
    fraud::{Reason, Verdict},
    metrics,
    order::{
        Order, OrderId, PaymentToken, RequestKey,
        placement::{Placement, Refused},
    },
    product::Item,
    purchase,
    store::orders::{self, Elder},
};

/// What a customer asks for.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    /// The caller's own name for the request, and what it asks for.
    pub request: RequestKey,
    /// What to buy, merged; empty: what is in the cart.
    pub items: Vec<Item>,
    /// Where it goes.
    pub shipping_address: Address,
    /// With what it is paid.
    pub payment_token: PaymentToken,
    /// What the customer believes it costs.
    pub expected_total: Option<Money>,
    /// Where the account is at home: ISO 3166-1 alpha-2.
    pub billing_country: Option<String>,
}

impl PlaceOrder {
    fn is_of_cart(&self) -> bool {
        self.items.is_empty()
    }
}

/// Places an order once for each request id; a repeat gets the first answer.
/// What is in the cart is ordered once, by however many requests.
///
/// # Errors
/// `Invalid` for an empty cart or an unknown product, `Conflict` when the price
/// changed, a purchase limit is exceeded, a fraud screen refuses or the request
/// id was used for something else, `Contended` when another request has ordered
/// what is in the cart, `Unavailable` when svc-catalog is away.
#[tracing::instrument(name = "order.place_order", skip_all)]
pub async fn place_order(app: &App, caller: &Caller, command: PlaceOrder) -> Result<Order, Error> {
    let account = caller.account_id;
    // A repeat is not put before the screens again.
    if !app.fraud.is_off()
        && let Some(first) = earlier(app, account, &command).await?
    {
        return Ok(first);
    }
    match place(app, account, &command).await {
        Ok(order) => Ok(order),
        // This request may have been answered before, be it by a twin a moment
        // ago. Then its order is the answer, and not that the cart is empty by
        // now, or the price another.
        Err(error) => earlier(app, account, &command).await?.ok_or(error),
    }
}

async fn place(app: &App, account: AccountId, command: &PlaceOrder) -> Result<Order, Error> {
    let (items, cart) = if command.is_of_cart() {
        let cart = app.carts.read(account).await?;
        (cart.items, cart.id)
    } else {
        (command.items.clone(), None)
    };
    if items.is_empty() {
        return Err(Refused::CartEmpty.into());
    }
    // Without it nothing would keep the cart from being ordered twice.
    if command.is_of_cart() && cart.is_none() {
        return Err(Error::Impossible("a full cart has no id"));
    }
    let products: Vec<_> = items.iter().map(|item| item.product_id).collect();
    let offers = app.catalog.offers(products).await?; // before the transaction, never inside it
    let placement = Placement {
        id: OrderId::generate(&app.clock),
        account_id: account,
        request: command.request,
        cart,
        shipping_address: command.shipping_address.clone(),
        payment_token: command.payment_token.clone(),
        expected_total: command.expected_total,
    };
    let order = Order::place(placement, &items, &offers, &app.rules, app.clock.now())?;

    let doubts = doubts(app, command, &order).await?; // before it, too
    let limited = purchase::limited(&order, &offers);
    let order = Arc::new(order);
    if !app.placing.write(&order, &limited, &doubts).await? {
        let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
        return match orders::elder(&mut db, &order).await? {
            Elder::SameRequest(earlier) => {
                drop(db);
                answered_before(app, earlier, command).await
            }
            Elder::SameCart(earlier) => {
                drop(db);
                // Whoever placed it may have been cut off before the cart was emptied.
                empty_cart(app, &earlier).await;
                Err(Error::CartAlreadyOrdered)
            }
        };
    }
    metrics::PLACED.with_label_values::<&str>(&[]).inc();
    tracing::info!(order_id = %order.id, lines = order.lines.len(), total = %order.total, "placed");
    empty_cart(app, &order).await;
    Ok(Arc::unwrap_or_clone(order))
}

/// Why the fraud screens doubt an order.
async fn doubts(app: &App, command: &PlaceOrder, order: &Order) -> Result<Vec<Reason>, Error> {
    let home = command.billing_country.as_deref();
    match app.fraud.screen(order, home).await {
        Verdict::Accept => Ok(Vec::new()),
        Verdict::Review(reasons) => Ok(reasons),
        Verdict::Refuse(_) => Err(Error::OrderRefused),
    }
}

/// The first answer to this request, if there was one.
async fn earlier(
    app: &App,
    account: AccountId,
    command: &PlaceOrder,
) -> Result<Option<Order>, Error> {
    let mut db = app.db.writer().acquire().await.map_err(StoreError::from)?;
    let Some(earlier) = orders::find_by_request(&mut db, account, command.request.id).await? else {
        return Ok(None);
    };
    drop(db);
    answered_before(app, earlier, command).await.map(Some)
}

/// The first answer again, if this is the same request.
async fn answered_before(app: &App, first: Order, command: &PlaceOrder) -> Result<Order, Error> {
    if first.request != command.request {
        return Err(Error::RequestIdReused);
    }
    // Whoever answered first may have been cut off before the cart was emptied.
    empty_cart(app, &first).await;
    Ok(first.as_placed())
}

/// Takes what was ordered out of the cart, unless that was done. The order
/// stands, whether this works or not; until it does, nothing else is ordered of
/// this cart.
async fn empty_cart(app: &App, order: &Order) {
    let Some(cart) = order.cart else { return };
    let ordered = order.lines.iter().map(|line| Item {
        product_id: line.product_id,
        quantity: line.quantity,
    });
    if let Err(error) = app.carts.take(order.account_id, cart, ordered).await {
        tracing::warn!(order_id = %order.id, %error, "the cart still holds what was ordered");
    }
}
