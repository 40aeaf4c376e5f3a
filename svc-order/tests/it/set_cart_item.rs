//! Changing the cart.

use sqlx::PgPool;
use svc_kit::error::Kind;
use svc_order::{
    cart::{MAX_PRODUCTS, PricedCart},
    error::Error,
    product::{Item, ProductId},
    set_cart_item::{SetCartItem, set_cart_item},
};

use crate::support::{Shop, at_once, eur, kind, reason, uuid};

async fn set(
    shop: &Shop,
    product_id: ProductId,
    quantity: i32,
    version: i64,
) -> Result<PricedCart, Error> {
    let command = SetCartItem {
        item: Item {
            product_id,
            quantity,
        },
        expected_version: version,
    };
    set_cart_item(&shop.app, &shop.customer, command).await
}

#[sqlx::test(migrations = false)]
async fn each_change_makes_a_new_version_and_the_answer_is_priced(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (tent, mug) = (
        shop.catalog.sell("Tent", eur(42_00)),
        shop.catalog.sell("Mug", eur(9_00)),
    );

    let cart = set(&shop, tent, 1, 0).await.unwrap();
    assert_eq!((cart.version, cart.total), (1, Some(eur(42_00))));
    let cart = set(&shop, mug, 2, 1).await.unwrap();
    assert_eq!((cart.version, cart.total), (2, Some(eur(60_00))));
    let cart = set(&shop, tent, 3, 2).await.unwrap();
    assert_eq!((cart.version, cart.total), (3, Some(eur(14_400))));
    assert_eq!(shop.cart().await, [(tent, 3), (mug, 2)]);
    let cart = set(&shop, tent, 0, 3).await.unwrap();
    assert_eq!((cart.version, cart.total), (4, Some(eur(18_00))));
}

#[sqlx::test(migrations = false)]
async fn what_changes_nothing_makes_no_new_version(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    set(&shop, tent, 1, 0).await.unwrap();
    assert_eq!(set(&shop, tent, 1, 0).await.unwrap().version, 1);
    assert_eq!(
        set(&shop, ProductId(uuid()), 0, 0).await.unwrap().version,
        1
    );
}

#[sqlx::test(migrations = false)]
async fn a_cart_that_was_changed_elsewhere_is_not_changed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    set(&shop, tent, 1, 0).await.unwrap();
    set(&shop, tent, 2, 1).await.unwrap();

    let error = set(&shop, tent, 9, 1).await.unwrap_err();

    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Contended, "CART_CHANGED")
    );
    assert_eq!(shop.cart().await, [(tent, 2)]);
}

#[sqlx::test(migrations = false)]
async fn of_twenty_changes_of_one_version_one_gets_through(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    set(&shop, tent, 1, 0).await.unwrap();

    let outcomes = at_once(20, |n| {
        let (app, customer) = (shop.app.clone(), shop.customer.clone());
        let item = Item {
            product_id: tent,
            quantity: 10 + i32::try_from(n).unwrap(),
        };
        async move {
            set_cart_item(
                &app,
                &customer,
                SetCartItem {
                    item,
                    expected_version: 1,
                },
            )
            .await
        }
    })
    .await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_cart_holds_so_many_products_and_no_more(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let mut products: Vec<_> = (0..=MAX_PRODUCTS)
        .map(|_| shop.catalog.sell("Mug", eur(1)))
        .collect();
    let one_too_many = products.pop().unwrap();
    for product in &products {
        set(&shop, *product, 1, 0).await.unwrap();
    }

    let error = set(&shop, one_too_many, 1, 0).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "CART_FULL")
    );
    // What is in it can still be changed, and makes room.
    set(&shop, products[0], 5, 0).await.unwrap();
    set(&shop, products[0], 0, 0).await.unwrap();
    set(&shop, one_too_many, 1, 0).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn what_the_catalog_does_not_have_never_gets_in_but_gets_out(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let error = set(&shop, ProductId(uuid()), 1, 0).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Invalid, "PRODUCT_UNKNOWN")
    );

    let tent = shop.catalog.sell("Tent", eur(42_00));
    set(&shop, tent, 1, 0).await.unwrap();
    shop.catalog.remove(tent);
    assert!(set(&shop, tent, 0, 0).await.unwrap().items.is_empty());
}
