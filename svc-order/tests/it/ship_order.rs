//! Handing an order to a carrier.

use sqlx::PgPool;
use svc_kit::error::Kind;
use svc_order::{
    order::{OrderId, Shipment, Status},
    ship_order::ship_order,
};

use crate::support::{CONFIRMED, PLACED, REQUESTED, SHIPPED, Shop, dhl, kind, reason, uuid};

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_is_shipped_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    let shipped = ship_order(&shop.app, order.id, dhl()).await.unwrap();
    assert_eq!(
        (shipped.status, shipped.shipment.clone()),
        (Status::Shipped, Some(dhl()))
    );
    assert_eq!(
        ship_order(&shop.app, order.id, dhl()).await.unwrap(),
        shipped
    );
    assert_eq!(shop.reload(order.id).await, shipped);
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CONFIRMED, SHIPPED]);
}

#[sqlx::test(migrations = false)]
async fn a_shipped_order_is_not_shipped_otherwise(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_shipped().await;
    let ups = Shipment::parse("UPS", "1Z").unwrap();
    let error = ship_order(&shop.app, order.id, ups).await.unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Conflict, "ORDER_SHIPPED")
    );
}

#[sqlx::test(migrations = false)]
async fn an_order_that_is_not_confirmed_is_not_shipped(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let pending = shop.given_pending().await;
    let reserved = shop.given_reserved().await;
    let cancelled = shop.given_pending().await;
    shop.stock_rejected(cancelled.id).await.unwrap();
    for order in [pending, reserved, cancelled] {
        let error = ship_order(&shop.app, order.id, dhl()).await.unwrap_err();
        assert_eq!(
            (kind(&error), reason(&error)),
            (Kind::Conflict, "ORDER_NOT_CONFIRMED")
        );
    }
    let error = ship_order(&shop.app, OrderId(uuid()), dhl())
        .await
        .unwrap_err();
    assert_eq!(reason(&error), "ORDER_NOT_FOUND");
}
