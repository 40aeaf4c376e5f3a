//! Calling an order off.

use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::{
    cancel_order::cancel_order,
    deliver_order::deliver_order,
    order::{Order, Status},
};

use crate::support::{
    CANCELLED, CONFIRMED, PLACED, REQUESTED, Shop, at_once, kind, reason, reason_of,
};

async fn cancel(shop: &Shop, order: &Order) -> Order {
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap()
}

#[sqlx::test(migrations = false)]
async fn a_pending_order_is_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let cancelled = cancel(&shop, &order).await;
    assert_eq!(
        (cancelled.status, reason_of(&cancelled)),
        (Status::Cancelled, "CUSTOMER_CANCELLED")
    );
    assert!(cancelled.is_final());
    assert_eq!(shop.reload(order.id).await, cancelled);
    assert_eq!(shop.outbox().await, [PLACED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn a_reserved_order_is_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    let cancelled = cancel(&shop, &order).await;
    assert_eq!(cancelled.status, Status::Cancelled);
    assert_eq!(cancelled.payment_token, None);
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_is_cancelled_and_waits_for_its_refund(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    let cancelled = cancel(&shop, &order).await;
    assert_eq!(cancelled.status, Status::Cancelled);
    assert!(cancelled.paid && !cancelled.refunded && !cancelled.is_final());
    assert_eq!(
        shop.outbox().await,
        [PLACED, REQUESTED, CONFIRMED, CANCELLED]
    );
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_cancelled_once_also_at_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let answers = at_once(10, |_| {
        let (app, customer, id) = (shop.app.clone(), shop.customer.clone(), order.id);
        async move { cancel_order(&app, &customer, id).await.unwrap() }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(shop.outbox().await, [PLACED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn a_shipped_or_delivered_order_cannot_be_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_shipped().await;
    for deliver in [false, true] {
        if deliver {
            deliver_order(&shop.app, order.id).await.unwrap();
        }
        let error = cancel_order(&shop.app, &shop.customer, order.id)
            .await
            .unwrap_err();
        assert_eq!(
            (kind(&error), reason(&error)),
            (Kind::Conflict, "ORDER_SHIPPED")
        );
    }
}

#[sqlx::test(migrations = false)]
async fn anothers_order_cannot_be_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let error = cancel_order(&shop.app, &testing::caller(), order.id)
        .await
        .unwrap_err();
    assert_eq!(reason(&error), "ORDER_NOT_FOUND");
    assert_eq!(shop.reload(order.id).await.status, Status::Pending);
}
