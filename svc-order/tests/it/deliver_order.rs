//! Recording that an order arrived.

use sqlx::PgPool;
use svc_kit::error::Kind;
use svc_order::{deliver_order::deliver_order, order::Status};

use crate::support::{Shop, kind, reason};

#[sqlx::test(migrations = false)]
async fn a_shipped_order_is_delivered_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_shipped().await;
    let delivered = deliver_order(&shop.app, order.id).await.unwrap();
    assert_eq!(delivered.status, Status::Delivered);
    assert_eq!(deliver_order(&shop.app, order.id).await.unwrap(), delivered);
    assert_eq!(shop.reload(order.id).await, delivered);
}

#[sqlx::test(migrations = false)]
async fn an_order_that_is_not_shipped_is_not_delivered(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    let error = deliver_order(&shop.app, order.id).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "ORDER_NOT_SHIPPED")
    );
}
