//! Hearing that the money cannot be had.

use sqlx::PgPool;
use svc_order::order::Status;

use crate::support::{CANCELLED, PLACED, REQUESTED, Shop, failed, is_rejected, reason_of, uuid};

#[sqlx::test(migrations = false)]
async fn a_declined_card_cancels_the_order_once_with_the_reason(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    shop.failed(failed(&order)).await.unwrap();
    shop.failed(failed(&order)).await.unwrap();
    let order = shop.reload(order.id).await;
    assert_eq!(
        (order.status, reason_of(&order)),
        (Status::Cancelled, "PAYMENT_DECLINED")
    );
    assert!(order.is_final());
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn the_failure_of_another_payment_is_rejected(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    let mut other = failed(&order);
    other.payment_id = uuid().to_string();
    assert!(is_rejected(&shop.failed(other).await));
    assert_eq!(shop.reload(order.id).await, order);
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_stays_confirmed(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    assert!(is_rejected(&shop.failed(failed(&order)).await));
    assert_eq!(shop.reload(order.id).await, order);
}
