//! Emptying the cart.

use sqlx::PgPool;
use svc_kit::error::Kind;
use svc_order::clear_cart::clear_cart;

use crate::support::{Shop, eur, kind, reason};

#[sqlx::test(migrations = false)]
async fn the_version_goes_on_growing_in_an_emptied_cart(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    assert_eq!(shop.put_in_cart(tent, 1).await, 1);

    let cart = clear_cart(&shop.app, &shop.customer, 1).await.unwrap();
    assert_eq!((cart.items.len(), cart.version, cart.total), (0, 2, None));
    // Once more changes nothing.
    assert_eq!(
        clear_cart(&shop.app, &shop.customer, 0)
            .await
            .unwrap()
            .version,
        2
    );
    assert_eq!(shop.put_in_cart(tent, 1).await, 3);
}

#[sqlx::test(migrations = false)]
async fn a_cart_that_was_changed_elsewhere_is_not_emptied(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    shop.put_in_cart(tent, 1).await;
    shop.put_in_cart(tent, 2).await;

    let error = clear_cart(&shop.app, &shop.customer, 1).await.unwrap_err();

    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Contended, "CART_CHANGED")
    );
    assert_eq!(shop.cart().await, [(tent, 2)]);
}

#[sqlx::test(migrations = false)]
async fn a_cart_that_never_was_is_emptied(pool: PgPool) {
    let shop = Shop::new(pool).await;
    assert_eq!(
        clear_cart(&shop.app, &shop.customer, 0)
            .await
            .unwrap()
            .version,
        0
    );
}
