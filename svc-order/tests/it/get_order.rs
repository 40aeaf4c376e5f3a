//! Reading an order.

use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::{get_order::get_order, order::OrderId};

use crate::support::{Shop, kind, reason, uuid};

#[sqlx::test(migrations = false)]
async fn an_order_is_read_as_it_was_placed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    assert_eq!(
        get_order(&shop.app, &shop.customer, order.id)
            .await
            .unwrap(),
        order
    );
}

#[sqlx::test(migrations = false)]
async fn anothers_order_is_as_unknown_as_none(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let anothers = get_order(&shop.app, &testing::caller(), order.id)
        .await
        .unwrap_err();
    let none = get_order(&shop.app, &shop.customer, OrderId(uuid()))
        .await
        .unwrap_err();
    for error in [anothers, none] {
        assert_eq!(
            (kind(&error), reason(&error)),
            (Kind::NotFound, "ORDER_NOT_FOUND")
        );
    }
}
