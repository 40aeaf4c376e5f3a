//! Placing an order of what is in the cart.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use svc_kit::error::Kind;
use svc_order::{
    clear_cart::clear_cart,
    order::{Order, OrderId, placement::Placement},
    place_order::{PlaceOrder, place_order},
};

use crate::support::{PLACED, Shop, at_once, eur, kind, no_redis, order_of, order_of_cart, reason};

const ALREADY_ORDERED: (Kind, &str) = (Kind::Contended, "CART_ALREADY_ORDERED");

/// The order of what is in the cart now, not yet written.
async fn drawn_up(shop: &Shop, command: &PlaceOrder) -> Arc<Order> {
    let (app, account_id) = (&shop.app, shop.customer.account_id);
    let cart = app.carts.read(account_id).await.unwrap();
    let placement = Placement {
        id: OrderId::generate(&app.clock),
        account_id,
        request: command.request,
        cart: cart.id,
        shipping_address: command.shipping_address.clone(),
        payment_token: command.payment_token.clone(),
        expected_total: None,
    };
    let offers = app.catalog.offers(cart.product_ids()).await.unwrap();
    let order = Order::place(placement, &cart.items, &offers, &app.rules, app.clock.now());
    Arc::new(order.unwrap())
}

/// Places an order as a process does that dies after the commit: the order
/// stands, and the cart still holds everything.
async fn placed_and_not_emptied(shop: &Shop, command: &PlaceOrder) -> Order {
    let order = drawn_up(shop, command).await;
    assert!(shop.app.placing.write(&order, &[], &[]).await.unwrap());
    Arc::unwrap_or_clone(order)
}

#[sqlx::test(migrations = false)]
async fn the_cart_is_ordered_and_emptied(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(42_00)),
        shop.catalog.sell("Mug", eur(9_00)),
    );
    shop.put_in_cart(tent, 1).await;
    let version = shop.put_in_cart(mug, 2).await;

    let order = shop.place(order_of_cart()).await.unwrap();

    assert_eq!(order.total, eur(60_00));
    assert!(shop.cart().await.is_empty());
    let cart = shop.app.carts.read(shop.customer.account_id).await.unwrap();
    assert!(cart.version > version);
}

#[sqlx::test(migrations = false)]
async fn a_repeat_gets_the_first_answer_though_the_cart_is_empty(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    let command = order_of_cart();
    let first = shop.place(command.clone()).await.unwrap();

    assert_eq!(shop.place(command).await.unwrap(), first);
    assert_eq!(shop.outbox().await, [PLACED]);
}

#[sqlx::test(migrations = false)]
async fn a_repeat_empties_the_cart_when_the_first_was_cut_off_before_that(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 2).await;
    let command = order_of_cart();
    let first = placed_and_not_emptied(&shop, &command).await;
    assert_eq!(shop.cart().await, [(tent, 2)]);

    assert_eq!(shop.place(command).await.unwrap().id, first.id);
    assert!(shop.cart().await.is_empty());

    let mug = shop.catalog.sell("Mug", eur(9_00));
    shop.put_in_cart(mug, 1).await;
    let next = shop.place(order_of_cart()).await.unwrap();
    assert_eq!(next.total, eur(9_00));
}

#[sqlx::test(migrations = false)]
async fn a_repeat_leaves_alone_what_was_put_in_since(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    let command = order_of_cart();
    shop.place(command.clone()).await.unwrap();
    shop.put_in_cart(tent, 1).await;

    shop.place(command.clone()).await.unwrap();
    assert_eq!(shop.cart().await, [(tent, 1)]);

    shop.app.clock.advance(Duration::from_hours(25));
    shop.place(command).await.unwrap();
    assert_eq!(shop.cart().await, [(tent, 1)]);
}

#[sqlx::test(migrations = false)]
async fn the_same_cart_fifty_times_at_once_gives_one_order_and_equal_answers(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 3).await;
    let command = order_of_cart();

    let answers = at_once(50, |_| {
        let (app, customer, command) = (shop.app.clone(), shop.customer.clone(), command.clone());
        async move { place_order(&app, &customer, command).await.unwrap() }
    })
    .await;

    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(shop.outbox().await, [PLACED]);
    assert!(shop.cart().await.is_empty());
}

/// Orders one cart by so many requests at the same time.
async fn one_cart_by_many_requests(pool: PgPool, requests: usize) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 3).await;

    let outcomes = at_once(requests, |_| {
        let (app, customer) = (shop.app.clone(), shop.customer.clone());
        async move { place_order(&app, &customer, order_of_cart()).await }
    })
    .await;

    let (placed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(placed.len(), 1);
    for error in refused.into_iter().map(Result::unwrap_err) {
        let told = (kind(&error), reason(&error));
        assert!(
            told == ALREADY_ORDERED || told == (Kind::Invalid, "CART_EMPTY"),
            "{error:?}"
        );
    }
    assert_eq!(shop.outbox().await, [PLACED]);
    assert!(shop.cart().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn of_five_requests_for_one_cart_one_is_placed(pool: PgPool) {
    one_cart_by_many_requests(pool, 5).await;
}

#[sqlx::test(migrations = false)]
async fn of_twenty_requests_for_one_cart_one_is_placed(pool: PgPool) {
    one_cart_by_many_requests(pool, 20).await;
}

#[sqlx::test(migrations = false)]
async fn a_cart_that_was_filled_again_is_ordered_again(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    let first = shop.place(order_of_cart()).await.unwrap();
    shop.put_in_cart(tent, 1).await;
    let second = shop.place(order_of_cart()).await.unwrap();
    assert_ne!(first.id, second.id);

    // Clearing keeps the cart what it is.
    let read = || shop.app.carts.read(shop.customer.account_id);
    shop.put_in_cart(tent, 2).await;
    let full = read().await.unwrap();
    clear_cart(&shop.app, &shop.customer, 0).await.unwrap();
    shop.put_in_cart(tent, 1).await;
    let again = read().await.unwrap();
    assert_eq!(again.id, full.id);
    assert!(again.version > full.version);
    let third = shop.place(order_of_cart()).await.unwrap();

    let carts = [first, second, third].map(|order| order.cart.unwrap());
    assert!(carts[0] != carts[1] && carts[1] != carts[2] && carts[2] != carts[0]);
    assert_eq!(shop.outbox().await, [PLACED; 3]);
}

#[sqlx::test(migrations = false)]
async fn a_cart_that_was_ordered_but_not_emptied_is_emptied_and_not_ordered_again(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 2).await;
    placed_and_not_emptied(&shop, &order_of_cart()).await;

    let error = shop.place(order_of_cart()).await.unwrap_err();

    assert_eq!((kind(&error), reason(&error)), ALREADY_ORDERED);
    assert_eq!(svc_kit::error::status(error).code(), tonic::Code::Aborted);
    assert!(shop.cart().await.is_empty());
    assert_eq!(shop.outbox().await, [PLACED]);

    shop.put_in_cart(tent, 2).await;
    shop.place(order_of_cart()).await.unwrap();
    assert_eq!(shop.outbox().await, [PLACED, PLACED]);
}

#[sqlx::test(migrations = false)]
async fn what_was_ordered_is_not_ordered_again_with_what_was_put_in_since(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(42_00)),
        shop.catalog.sell("Mug", eur(9_00)),
    );
    shop.put_in_cart(tent, 2).await;
    placed_and_not_emptied(&shop, &order_of_cart()).await;
    shop.put_in_cart(mug, 1).await;

    let error = shop.place(order_of_cart()).await.unwrap_err();

    assert_eq!((kind(&error), reason(&error)), ALREADY_ORDERED);
    assert_eq!(shop.cart().await, [(mug, 1)]);
    let second = shop.place(order_of_cart()).await.unwrap();
    assert_eq!(second.total, eur(9_00));
    assert_eq!(shop.outbox().await, [PLACED, PLACED]);
}

#[sqlx::test(migrations = false)]
async fn of_two_requests_that_read_one_cart_before_and_after_a_change_one_is_placed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(42_00)),
        shop.catalog.sell("Mug", eur(9_00)),
    );
    shop.put_in_cart(tent, 2).await;
    let before = drawn_up(&shop, &order_of_cart()).await;
    shop.put_in_cart(mug, 1).await;
    let after = drawn_up(&shop, &order_of_cart()).await;

    assert!(shop.app.placing.write(&after, &[], &[]).await.unwrap());
    assert!(!shop.app.placing.write(&before, &[], &[]).await.unwrap());
}

#[sqlx::test(migrations = false)]
async fn a_repeat_leaves_alone_what_was_put_in_after_redis_forgot_the_cart(pool: PgPool) {
    use fred::interfaces::KeysInterface as _;
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    let command = order_of_cart();
    placed_and_not_emptied(&shop, &command).await;
    let redis = svc_kit::testing::redis().await;
    let key = format!("souk:order:cart:{{{}}}", shop.customer.account_id);
    let _: bool = redis.del(&key).await.unwrap();
    shop.put_in_cart(tent, 1).await;

    shop.place(command).await.unwrap();

    assert_eq!(shop.cart().await, [(tent, 1)]);
}

#[sqlx::test(migrations = false)]
async fn what_an_earlier_release_has_ordered_says_nothing_of_the_cart(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    let command = order_of_cart();
    let first = placed_and_not_emptied(&shop, &command).await;
    // It wrote the cart's version, emptied the cart and left it its id.
    sqlx::query("UPDATE orders SET cart_version = 1 WHERE id = $1")
        .bind(first.id.0)
        .execute(shop.db().writer())
        .await
        .unwrap();

    shop.place(command).await.unwrap();

    assert_eq!(shop.cart().await, [(tent, 1)]);
    shop.place(order_of_cart()).await.unwrap();
    assert!(shop.cart().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn only_what_was_ordered_leaves_the_cart(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(42_00)),
        shop.catalog.sell("Mug", eur(9_00)),
    );
    shop.put_in_cart(tent, 2).await;
    let order = placed_and_not_emptied(&shop, &order_of_cart()).await;
    let ordered = || shop.app.carts.read(shop.customer.account_id);

    // Another device adds before the cart is emptied.
    shop.put_in_cart(tent, 5).await;
    shop.put_in_cart(mug, 1).await;
    let lines = order.lines.iter().map(|line| svc_order::product::Item {
        product_id: line.product_id,
        quantity: line.quantity,
    });
    let lines: Vec<_> = lines.collect();
    let (account, cart) = (shop.customer.account_id, order.cart.unwrap());
    shop.app
        .carts
        .take(account, cart, lines.clone())
        .await
        .unwrap();
    assert_eq!(shop.cart().await, [(tent, 3), (mug, 1)]);

    let version = ordered().await.unwrap().version;
    shop.app.carts.take(account, cart, lines).await.unwrap();
    assert_eq!(shop.cart().await, [(tent, 3), (mug, 1)]);
    assert_eq!(ordered().await.unwrap().version, version);
}

#[sqlx::test(migrations = false)]
async fn an_order_of_items_leaves_the_cart_alone(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 2).await;
    shop.place(order_of(&[(tent, 2)])).await.unwrap();
    assert_eq!(shop.cart().await, [(tent, 2)]);
}

#[sqlx::test(migrations = false)]
async fn an_empty_cart_cannot_be_ordered(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let error = shop.place(order_of_cart()).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Invalid, "CART_EMPTY")
    );
}

#[sqlx::test(migrations = false)]
async fn a_changed_price_of_what_is_in_the_cart_is_refused_with_the_new_total(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 2).await;
    shop.catalog.set_price(tent, eur(45_50));
    let mut command = order_of_cart();
    command.expected_total = Some(eur(84_00));

    let error = shop.place(command.clone()).await.unwrap_err();

    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "PRICE_CHANGED")
    );
    let told = svc_kit::error::ServiceError::metadata(&error);
    assert!(told.contains(&("total_units", "91".to_owned())), "{told:?}");
    assert_eq!(shop.cart().await, [(tent, 2)]);
    assert!(shop.outbox().await.is_empty());

    command.expected_total = Some(eur(91_00));
    assert_eq!(shop.place(command).await.unwrap().total, eur(91_00));
    assert!(shop.cart().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn what_is_gone_from_the_catalog_is_named_and_stays_in_the_cart(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 2).await;
    shop.catalog.remove(tent);
    let error = shop.place(order_of_cart()).await.unwrap_err();
    assert_eq!(reason(&error), "PRODUCT_UNKNOWN");
    assert_eq!(shop.cart().await, [(tent, 2)]);
}

#[sqlx::test(migrations = false)]
async fn without_redis_a_cart_cannot_be_ordered(pool: PgPool) {
    let shop = Shop::with_redis(pool, no_redis().await).await;
    let error = shop.place(order_of_cart()).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Unavailable, "CART_UNAVAILABLE")
    );
}
