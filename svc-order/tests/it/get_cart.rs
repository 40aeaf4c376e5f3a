//! Reading the cart.

use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::get_cart::get_cart;

use crate::support::{Shop, eur, kind, no_redis, reason, until};

#[sqlx::test(migrations = false)]
async fn a_cart_that_never_was_is_empty(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let cart = get_cart(&shop.app, &shop.customer).await.unwrap();
    assert_eq!((cart.items.len(), cart.version, cart.total), (0, 0, None));
    assert_eq!(shop.catalog.calls(), 0);
}

#[sqlx::test(migrations = false)]
async fn prices_are_those_of_now_and_what_is_gone_is_marked(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(42_00)),
        shop.catalog.sell("Mug", eur(9_00)),
    );
    shop.put_in_cart(tent, 1).await;
    shop.put_in_cart(mug, 2).await;
    shop.catalog.set_price(mug, eur(10_00));
    shop.catalog.remove(tent);

    let cart = get_cart(&shop.app, &shop.customer).await.unwrap();

    assert_eq!(cart.items[0].item.product_id, tent);
    assert_eq!(cart.items[0].offer, None);
    assert_eq!(cart.items[1].offer.as_ref().unwrap().price, eur(10_00));
    assert_eq!(cart.total, Some(eur(20_00)));
}

#[sqlx::test(migrations = false)]
async fn carts_of_others_are_apart(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    assert!(
        get_cart(&shop.app, &testing::caller())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[sqlx::test(migrations = false)]
async fn reading_a_cart_keeps_it_for_seven_more_days(pool: PgPool) {
    use fred::interfaces::KeysInterface as _;
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    let redis = testing::redis().await;
    let key = format!("souk:order:cart:{{{}}}", shop.customer.account_id);
    let _: bool = redis.expire(&key, 60, None).await.unwrap();

    get_cart(&shop.app, &shop.customer).await.unwrap();

    let seconds: i64 = redis.ttl(&key).await.unwrap();
    assert!(seconds > 7 * 24 * 3600 - 60, "{seconds}");
    // Once it is gone, it is an empty cart.
    let _: bool = redis.pexpire(&key, 1, None).await.unwrap();
    until(async || !redis.exists::<bool, _>(&key).await.unwrap()).await;
    assert!(shop.cart().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn without_catalog_or_redis_a_cart_is_unavailable(pool: PgPool) {
    let shop = Shop::new(pool.clone()).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    shop.catalog.set_away(true);
    let error = get_cart(&shop.app, &shop.customer).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Unavailable, "CATALOG_UNAVAILABLE")
    );

    let shop = Shop::with_redis(pool, no_redis().await).await;
    let error = get_cart(&shop.app, &shop.customer);
    let error = tokio::time::timeout(std::time::Duration::from_secs(2), error).await;
    let error = error.expect("in time").unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Unavailable, "CART_UNAVAILABLE")
    );
}
