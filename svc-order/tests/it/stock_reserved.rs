//! Hearing that the stock is reserved.

use proto::souk::event::v1 as event;
use sqlx::PgPool;
use svc_kit::consumer::{Delivered, deliver};
use svc_order::{
    cancel_order::cancel_order,
    consumers::OnStockReserved,
    order::{OrderId, Status},
};

use crate::support::{CANCELLED, PLACED, REQUESTED, Shop, at_once, captured, is_rejected, uuid};

#[sqlx::test(migrations = false)]
async fn the_payment_is_requested_once_whatever_is_replayed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let (event_id, consumer) = (uuid(), OnStockReserved::new(&shop.app));
    let event = || event::StockReserved {
        order_id: order.id.to_string(),
    };

    let first = deliver(shop.db(), &consumer, event_id, event())
        .await
        .unwrap();
    let reserved = shop.reload(order.id).await;
    let again = deliver(shop.db(), &consumer, event_id, event())
        .await
        .unwrap();
    let other = deliver(shop.db(), &consumer, uuid(), event())
        .await
        .unwrap();

    assert_eq!(
        [first, again, other],
        [Delivered::Handled, Delivered::Duplicate, Delivered::Handled]
    );
    assert_eq!(reserved.status, Status::Reserved);
    assert!(reserved.payment_id.is_some());
    assert_eq!(shop.reload(order.id).await, reserved);
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED]);
}

#[sqlx::test(migrations = false)]
async fn many_at_once_request_one_payment(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    at_once(10, |_| {
        let app = shop.app.clone();
        let event = event::StockReserved {
            order_id: order.id.to_string(),
        };
        async move {
            deliver(&app.db, &OnStockReserved::new(&app), uuid(), event)
                .await
                .unwrap()
        }
    })
    .await;
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED]);
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_stays_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let cancelled = cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    shop.stock_reserved(order.id).await.unwrap();
    assert_eq!(shop.reload(order.id).await, cancelled);
    assert_eq!(shop.outbox().await, [PLACED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_stays_confirmed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    shop.captured(captured(&order)).await.unwrap();
    shop.stock_reserved(order.id).await.unwrap();
    assert_eq!(shop.reload(order.id).await.status, Status::Confirmed);
}

#[sqlx::test(migrations = false)]
async fn an_order_that_never_was_is_rejected(pool: PgPool) {
    let shop = Shop::new(pool).await;
    assert!(is_rejected(&shop.stock_reserved(OrderId(uuid())).await));
    let nonsense = event::StockReserved {
        order_id: "7".to_owned(),
    };
    assert!(is_rejected(
        &deliver(
            shop.db(),
            &OnStockReserved::new(&shop.app),
            uuid(),
            nonsense
        )
        .await
    ));
}
