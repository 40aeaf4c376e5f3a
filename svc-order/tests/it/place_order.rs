//! Placing an order of items.

use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::{
    order::{Fingerprint, Status},
    place_order::place_order,
    product::ProductId,
};

use crate::support::{
    CONFIRMED, PLACED, REQUESTED, Shop, at_once, captured, eur, kind, no_redis, order_of, reason,
    uuid,
};

#[sqlx::test(migrations = false)]
async fn an_order_is_placed_at_the_catalogs_prices(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(19_990)),
        shop.catalog.sell("Mug", eur(9_05)),
    );

    let order = shop.place(order_of(&[(tent, 1), (mug, 4)])).await.unwrap();

    assert_eq!(order.status, Status::Pending);
    assert_eq!(order.total, eur(23_610));
    assert_eq!(order.lines[1].title, "Mug");
    assert_eq!(shop.reload(order.id).await, order);
    assert_eq!(shop.outbox().await, [PLACED]);
}

#[sqlx::test(migrations = false)]
async fn the_same_request_twice_gives_one_order_and_the_first_answer(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let command = order_of(&[(tent, 1)]);
    let first = shop.place(command.clone()).await.unwrap();
    shop.stock_reserved(first.id).await.unwrap();
    shop.captured(captured(&shop.reload(first.id).await))
        .await
        .unwrap();

    // Neither a new price nor what became of the order makes a difference.
    shop.catalog.set_price(tent, eur(50_00));
    shop.catalog.set_away(true);
    let second = shop.place(command).await.unwrap();

    assert_eq!(svc_proto(first), svc_proto(second));
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CONFIRMED]);
}

#[sqlx::test(migrations = false)]
async fn the_same_request_fifty_times_at_once_gives_one_order_and_equal_answers(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let command = order_of(&[(tent, 1)]);

    let answers = at_once(50, |_| {
        let (app, customer, command) = (shop.app.clone(), shop.customer.clone(), command.clone());
        async move { place_order(&app, &customer, command).await.unwrap() }
    })
    .await;

    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(shop.outbox().await, [PLACED]);
}

#[sqlx::test(migrations = false)]
async fn a_request_id_of_another_request_is_refused(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let command = order_of(&[(tent, 1)]);
    shop.place(command.clone()).await.unwrap();

    let mut other = command.clone();
    other.request.fingerprint = Fingerprint([8; 32]);
    let error = shop.place(other).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "REQUEST_ID_REUSED")
    );

    // Another customer may use the same id.
    place_order(&shop.app, &testing::caller(), command)
        .await
        .unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_changed_price_is_refused_with_the_new_total(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let mut command = order_of(&[(tent, 2)]);
    command.expected_total = Some(eur(84_00));
    shop.catalog.set_price(tent, eur(45_50));

    let error = shop.place(command.clone()).await.unwrap_err();

    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "PRICE_CHANGED")
    );
    let told = svc_kit::error::ServiceError::metadata(&error);
    assert!(told.contains(&("total_units", "91".to_owned())), "{told:?}");
    assert!(shop.outbox().await.is_empty());

    // Nothing was claimed: the same request goes through with what is true.
    command.expected_total = Some(eur(91_00));
    shop.place(command).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn what_the_catalog_does_not_have_cannot_be_ordered(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let unknown = ProductId(uuid());

    let error = shop
        .place(order_of(&[(tent, 1), (unknown, 1)]))
        .await
        .unwrap_err();

    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Invalid, "PRODUCT_UNKNOWN")
    );
    let told = svc_kit::error::ServiceError::metadata(&error);
    assert_eq!(told, [("product_ids", unknown.to_string())]);
}

#[sqlx::test(migrations = false)]
async fn without_the_catalog_nothing_is_placed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let command = order_of(&[(tent, 1)]);
    shop.catalog.set_away(true);

    let error = shop.place(command.clone()).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Unavailable, "CATALOG_UNAVAILABLE")
    );

    shop.catalog.set_away(false);
    shop.place(command).await.unwrap();
    assert_eq!(shop.outbox().await, [PLACED]);
}

#[sqlx::test(migrations = false)]
async fn items_are_ordered_without_redis(pool: PgPool) {
    let shop = Shop::with_redis(pool, no_redis().await).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.place(order_of(&[(tent, 1)])).await.unwrap();
}

/// What a caller sees of an order.
fn svc_proto(order: svc_order::order::Order) -> proto::souk::order::v1::Order {
    order.into()
}
