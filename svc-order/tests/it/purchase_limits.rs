//! The most of a product that an account may buy.

use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::{
    cancel_order::cancel_order, error::Error, place_order::place_order, product::ProductId,
};

use crate::support::{PLACED, Shop, at_once, eur, kind, order_of, order_of_cart, reason};

/// A product of which an account may buy so many.
fn limited(shop: &Shop, limit: i32) -> ProductId {
    let console = shop.catalog.sell("Console", eur(49_900));
    shop.catalog.set_purchase_limit(console, limit);
    console
}

fn assert_exceeded(error: &Error, product: ProductId, limit: i32, left: i32) {
    assert_eq!(
        (kind(error), reason(error)),
        (Kind::Conflict, "PURCHASE_LIMIT_EXCEEDED")
    );
    assert_eq!(
        svc_kit::error::ServiceError::metadata(error),
        [
            ("product_id", product.to_string()),
            ("limit", limit.to_string()),
            ("left", left.to_string())
        ]
    );
}

#[sqlx::test(migrations = false)]
async fn an_account_buys_up_to_the_limit_in_all_its_orders(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let console = limited(&shop, 3);
    shop.place(order_of(&[(console, 2)])).await.unwrap();

    let error = shop.place(order_of(&[(console, 2)])).await.unwrap_err();
    assert_exceeded(&error, console, 3, 1);
    shop.place(order_of(&[(console, 1)])).await.unwrap();
    let error = shop.place(order_of(&[(console, 1)])).await.unwrap_err();
    assert_exceeded(&error, console, 3, 0);
    assert_eq!(shop.outbox().await, [PLACED, PLACED]);

    // Other customers have limits of their own.
    place_order(&shop.app, &testing::caller(), order_of(&[(console, 3)]))
        .await
        .unwrap();
}

#[sqlx::test(migrations = false)]
async fn of_twenty_orders_at_once_none_passes_the_limit(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (console, game) = (limited(&shop, 5), limited(&shop, 7));
    let outcomes = at_once(20, |n| {
        let (app, customer) = (shop.app.clone(), shop.customer.clone());
        // In either order, so that one that locks as it comes would wait in a
        // circle.
        let items = if n % 2 == 0 {
            [(console, 1), (game, 1)]
        } else {
            [(game, 1), (console, 1)]
        };
        async move { place_order(&app, &customer, order_of(&items)).await }
    })
    .await;
    let (placed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((placed.len(), refused.len()), (5, 15));
    for error in refused.into_iter().map(Result::unwrap_err) {
        assert_exceeded(&error, console, 5, 0);
    }
    assert_eq!(shop.outbox().await.len(), 5);
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_gives_its_part_back_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let console = limited(&shop, 2);
    let order = shop.place(order_of(&[(console, 2)])).await.unwrap();
    for _ in 0..2 {
        cancel_order(&shop.app, &shop.customer, order.id)
            .await
            .unwrap();
    }
    let rejected = shop.place(order_of(&[(console, 2)])).await.unwrap();
    shop.stock_rejected(rejected.id).await.unwrap();

    shop.place(order_of(&[(console, 2)])).await.unwrap();
    let error = shop.place(order_of(&[(console, 1)])).await.unwrap_err();
    assert_exceeded(&error, console, 2, 0);
}

#[sqlx::test(migrations = false)]
async fn what_was_bought_before_there_was_a_limit_counts(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let console = shop.catalog.sell("Console", eur(49_900));
    shop.place(order_of(&[(console, 4)])).await.unwrap();
    shop.catalog.set_purchase_limit(console, 5);
    let error = shop.place(order_of(&[(console, 2)])).await.unwrap_err();
    assert_exceeded(&error, console, 5, 1);
    shop.catalog.set_purchase_limit(console, 0);
    shop.place(order_of(&[(console, 2)])).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_repeat_gets_the_first_answer_though_nothing_is_left(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let console = limited(&shop, 1);
    let command = order_of(&[(console, 1)]);
    let answers = at_once(10, |_| {
        let (app, customer, command) = (shop.app.clone(), shop.customer.clone(), command.clone());
        async move { place_order(&app, &customer, command).await.unwrap() }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(shop.outbox().await, [PLACED]);
}

#[sqlx::test(migrations = false)]
async fn a_cart_beyond_the_limit_stays_as_it_is(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let console = limited(&shop, 1);
    shop.put_in_cart(console, 2).await;
    let error = shop.place(order_of_cart()).await.unwrap_err();
    assert_exceeded(&error, console, 1, 1);
    assert_eq!(shop.cart().await, [(console, 2)]);

    shop.put_in_cart(console, 1).await;
    shop.place(order_of_cart()).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn an_order_without_limits_claims_nothing(pool: PgPool) {
    let shop = Shop::new(pool).await;
    shop.given_pending().await;
    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM purchases")
        .fetch_one(shop.db().writer())
        .await
        .unwrap();
    assert_eq!(claims, 0);
}
