//! Watching the cart.

use sqlx::PgPool;
use svc_kit::error::Kind;
use svc_order::{
    product::{Item, ProductId},
    set_cart_item::{SetCartItem, set_cart_item},
    watch_cart::watch_cart,
};

use crate::support::{Shop, eur, kind, next, no_redis, order_of_cart, reason};

#[sqlx::test(migrations = false)]
async fn a_change_on_another_replica_is_seen(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    let replica = shop.replica();
    shop.listen(&replica);
    let mut carts = Box::pin(watch_cart(&replica, &shop.customer).await.unwrap());
    assert!(next(&mut carts).await.unwrap().unwrap().items.is_empty());

    shop.put_in_cart(tent, 2).await;
    let cart = next(&mut carts).await.unwrap().unwrap();
    assert_eq!((cart.version, cart.total), (1, Some(eur(84_00))));

    shop.place(order_of_cart()).await.unwrap();
    assert!(next(&mut carts).await.unwrap().unwrap().items.is_empty());
}

#[sqlx::test(migrations = false)]
async fn a_slow_watcher_gets_the_newest(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.listen(&shop.app);
    let mut carts = Box::pin(watch_cart(&shop.app, &shop.customer).await.unwrap());
    next(&mut carts).await.unwrap().unwrap();
    for quantity in 1..=20 {
        shop.put_in_cart(tent, quantity).await;
    }
    assert_eq!(next(&mut carts).await.unwrap().unwrap().version, 20);
}

#[sqlx::test(migrations = false)]
async fn a_customer_watches_so_much_and_no_more(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Box::pin(
            watch_cart(&shop.app, &shop.customer).await.unwrap(),
        ));
    }
    let error = watch_cart(&shop.app, &shop.customer).await.err().unwrap();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Throttled, "TOO_MANY_WATCHERS")
    );

    open.pop();
    drop(watch_cart(&shop.app, &shop.customer).await.unwrap());
}

#[sqlx::test(migrations = false)]
async fn without_redis_there_is_nothing_to_watch(pool: PgPool) {
    let shop = Shop::with_redis(pool, no_redis().await).await;
    let error = watch_cart(&shop.app, &shop.customer).await.err().unwrap();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Unavailable, "CART_UNAVAILABLE")
    );
    let item = Item {
        product_id: ProductId(crate::support::uuid()),
        quantity: 1,
    };
    let command = SetCartItem {
        item,
        expected_version: 0,
    };
    let error = set_cart_item(&shop.app, &shop.customer, command)
        .await
        .unwrap_err();
    assert_eq!(reason(&error), "CART_UNAVAILABLE");
}
