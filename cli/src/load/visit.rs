//! What one who came does. Times are measured from the moment that was
//! planned, not from when there was time for it: a shop that holds up one
//! customer must not look quick because the next one came late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::souk::catalog::v1::{GetProductRequest, ListProductsRequest, SearchProductsRequest};
use proto::souk::order::v1::order_service_client::OrderServiceClient;
use proto::souk::order::v1::{
    CancelOrderRequest, Cart, Order, OrderItem, PlaceOrderRequest, SetCartItemRequest,
};
use proto::souk::r#type::v1::Address;
use svc_kit::money::Money;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;
use uuid::Uuid;

use super::arrivals::{Action, Arrival, Wish, cart_at};
use super::calls::{Says, TRIES, pause, reason, within};
use super::customers::Customer;
use super::floor::Floor;
use super::record::{Asked, End, Product};
use super::shipping;
use super::tally::Step;
use crate::wire::Wire;

/// Products on a page.
const PAGE: i32 = 20;

/// Does it.
pub(super) async fn visit(floor: &Floor, n: usize, arrival: Arrival, began: Instant) {
    let planned = began + arrival.at;
    match arrival.action {
        Action::Order(wish) => order(floor, &wish, planned, began + cart_at(arrival.at)).await,
        look => {
            let wire = floor.lookers[n % floor.lookers.len()].clone();
            browse(floor, wire, &look, planned).await;
        }
    }
}

async fn browse(floor: &Floor, wire: Wire, look: &Action, planned: Instant) {
    let mut catalog = CatalogServiceClient::new(wire);
    let (step, good) = match look {
        Action::Get(at) => {
            let id = product(floor, *at).id.to_string();
            let got = within(catalog.get_product(GetProductRequest { id })).await;
            (Step::Get, got.is_ok())
        }
        Action::Search(at) => {
            let request = SearchProductsRequest {
                query: product(floor, *at).title.clone(),
                page_size: PAGE,
                ..SearchProductsRequest::default()
            };
            let found = within(catalog.search_products(request)).await;
            (Step::Search, found.is_ok())
        }
        Action::List | Action::Order(_) => {
            let request = ListProductsRequest {
                page_size: PAGE,
                ..ListProductsRequest::default()
            };
            let listed = within(catalog.list_products(request)).await;
            (Step::List, listed.is_ok())
        }
    };
    floor.tally.step(step, planned.elapsed(), good);
}

async fn order(floor: &Floor, wish: &Wish, planned: Instant, cart_planned: Instant) {
    let customer = &floor.customers[wish.customer % floor.customers.len()];
    // One customer fills one cart at a time; who finds it in use orders the
    // items themselves.
    let cart = wish
        .of_cart
        .then(|| customer.cart.try_lock().ok())
        .flatten();
    let mut put_in_cart = BTreeMap::new();
    let filled = match cart {
        Some(_) => fill_cart(floor, customer, wish, cart_planned, &mut put_in_cart).await,
        None => None,
    };
    sleep_until(planned).await;

    let request = request(floor, wish, filled.as_ref());
    let end = place(floor, customer, &request).await;
    let good = matches!(end, End::Answered { .. });
    floor.tally.step(Step::Place, planned.elapsed(), good);
    floor.tally.count(|now| match &end {
        End::Answered { .. } => now.answered += 1,
        End::Refused { .. } => now.refused += 1,
        End::Unknown { .. } => now.unknown += 1,
    });
    let mut asked = Asked {
        request_id: request.request_id.parse().unwrap_or_default(),
        account_id: customer.account_id,
        lines: match &filled {
            Some(cart) => pieces(
                cart.items
                    .iter()
                    .map(|item| (&item.product_id, item.quantity)),
            ),
            None => pieces(
                request
                    .items
                    .iter()
                    .map(|item| (&item.product_id, item.quantity)),
            ),
        },
        of_cart: filled.is_some(),
        put_in_cart,
        end,
        other_answers: Vec::new(),
        called_off: false,
    };
    if let End::Answered { order_id, .. } = asked.end {
        if wish.repeated
            && let End::Answered {
                order_id: other, ..
            } = place(floor, customer, &request).await
            && other != order_id
        {
            asked.other_answers.push(other);
        }
        drop(cart);
        if let Some(after) = wish.cancelled_after {
            asked.called_off = cancel(floor, customer, order_id, after).await;
        }
    }
    let order_id = asked.end.order_id();
    floor.note(asked);
    if let Some(order_id) = order_id.filter(|_| wish.shipped) {
        shipping::ship(floor, customer, order_id, wish.comeback.as_ref()).await;
    }
}

/// Puts what is wanted into the cart, and notes what may have got in; none when
/// that did not work. What an earlier wish has left in it is in it, too.
async fn fill_cart(
    floor: &Floor,
    customer: &Arc<Customer>,
    wish: &Wish,
    planned: Instant,
    put: &mut BTreeMap<Uuid, i64>,
) -> Option<Cart> {
    let mut cart = None;
    for (at, quantity) in &wish.lines {
        *put.entry(product(floor, *at).id).or_default() += i64::from(*quantity);
        let item = SetCartItemRequest {
            product_id: product(floor, *at).id.to_string(),
            quantity: *quantity,
            expected_version: 0,
        };
        let request = customer.login.sign(item, &floor.clock).await;
        let mut orders = OrderServiceClient::new(customer.login.wire.clone());
        let set = within(orders.set_cart_item(request)).await;
        floor.tally.step(Step::Cart, planned.elapsed(), set.is_ok());
        cart = Some(set.ok()?);
    }
    cart
}

/// Of what is in the cart, for what the shop said it costs; or else of the
/// items themselves.
fn request(floor: &Floor, wish: &Wish, cart: Option<&Cart>) -> PlaceOrderRequest {
    let items = wish.lines.iter().map(|(at, quantity)| OrderItem {
        product_id: product(floor, *at).id.to_string(),
        quantity: *quantity,
    });
    let total: i64 = wish
        .lines
        .iter()
        .map(|(at, quantity)| product(floor, *at).price_minor * i64::from(*quantity))
        .sum();
    let total = || Some(Money::new("USD".parse().ok()?, total).into());
    PlaceOrderRequest {
        request_id: svc_kit::id::generate(&floor.clock).to_string(),
        items: match cart {
            Some(_) => Vec::new(),
            None => items.collect(),
        },
        shipping_address: Some(address()),
        payment_token: wish.payment_token.to_owned(),
        expected_total: cart.map_or_else(total, |cart| cart.total.clone()),
        ..PlaceOrderRequest::default()
    }
}

/// Asks until there is an answer, always under the same request id.
async fn place(floor: &Floor, customer: &Arc<Customer>, request: &PlaceOrderRequest) -> End {
    let mut doubtful = false;
    let mut tries = 0;
    loop {
        tries += 1;
        let expires = customer.login.expires();
        let signed = customer.login.sign(request.clone(), &floor.clock).await;
        let mut orders = OrderServiceClient::new(customer.login.wire.clone());
        let status = match within(orders.place_order(signed)).await {
            Ok(order) => match answered(&order) {
                Some(end) => return end,
                None => Status::internal("an order that makes no sense"),
            },
            Err(status) => status,
        };
        match Says::of(&status) {
            Says::No => return ended(doubtful, &status),
            Says::NotNow => {}
            Says::LogIn => {
                // When this fails too, the next try says so.
                let _tried = customer.login.renew(expires).await;
            }
            Says::Nothing => doubtful = true,
        }
        if tries == TRIES {
            return ended(doubtful, &status);
        }
        floor.tally.count(|now| now.retried += 1);
        pause(tries).await;
    }
}

/// A no after a try that got no answer is no answer either: that try may still
/// be under way.
fn ended(doubtful: bool, status: &Status) -> End {
    let why = reason(status);
    if doubtful {
        End::Unknown { last: why }
    } else {
        End::Refused { reason: why }
    }
}

fn answered(order: &Order) -> Option<End> {
    let total = Money::try_from(order.total.as_ref()?).ok()?;
    Some(End::Answered {
        order_id: order.id.parse::<Uuid>().ok()?,
        currency: total.currency.code().to_owned(),
        total_minor: total.minor,
        lines: pieces(
            order
                .lines
                .iter()
                .map(|line| (&line.product_id, line.quantity)),
        ),
    })
}

/// Pieces by product. An id that makes no sense becomes one that nobody has.
fn pieces<'a>(lines: impl Iterator<Item = (&'a String, i32)>) -> BTreeMap<Uuid, i64> {
    let mut pieces = BTreeMap::new();
    for (product, quantity) in lines {
        *pieces
            .entry(product.parse().unwrap_or_default())
            .or_default() += i64::from(quantity);
    }
    pieces
}

/// Calls an order off; false when that was refused, or nobody knows.
async fn cancel(floor: &Floor, customer: &Customer, order_id: Uuid, after: Duration) -> bool {
    sleep(after).await;
    let planned = Instant::now();
    let request = CancelOrderRequest {
        id: order_id.to_string(),
    };
    let cancelled = customer
        .login
        .insist(&floor.clock, &request, |mut orders, request| async move {
            orders.cancel_order(request).await
        })
        .await;
    floor
        .tally
        .step(Step::Cancel, planned.elapsed(), cancelled.is_ok());
    cancelled.is_ok()
}

fn product(floor: &Floor, at: usize) -> &Product {
    &floor.products[at % floor.products.len()]
}

fn address() -> Address {
    Address {
        recipient: "Ada Example".to_owned(),
        address_lines: vec!["Example Street 1".to_owned()],
        locality: "Berlin".to_owned(),
        administrative_area: String::new(),
        postal_code: "10115".to_owned(),
        region_code: "DE".to_owned(),
    }
}
