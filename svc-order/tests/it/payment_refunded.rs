//! Hearing that the money was given back.

use sqlx::PgPool;
use svc_order::{cancel_order::cancel_order, order::Status};

use crate::support::{Shop, captured, eur, is_rejected, refunded};

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_refunded_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    shop.refunded(refunded(&order)).await.unwrap();
    let first = shop.reload(order.id).await;
    shop.refunded(refunded(&order)).await.unwrap();
    assert_eq!((first.status, first.refunded), (Status::Cancelled, true));
    assert_eq!(shop.reload(order.id).await, first);
}

#[sqlx::test(migrations = false)]
async fn word_of_the_refund_may_come_before_word_of_the_capture(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    shop.refunded(refunded(&order)).await.unwrap();
    shop.captured(captured(&order)).await.unwrap();
    let order = shop.reload(order.id).await;
    assert!(order.refunded && order.is_final());
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_makes_no_sense_is_rejected(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    assert!(is_rejected(&shop.refunded(refunded(&order)).await));
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    let mut part = refunded(&order);
    part.amount = Some(eur(1).into());
    assert!(is_rejected(&shop.refunded(part).await));
    assert!(!shop.reload(order.id).await.refunded);
}
