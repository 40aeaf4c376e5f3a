//! Hearing that the stock cannot be had.

use sqlx::PgPool;
use svc_order::order::Status;

use crate::support::{CANCELLED, PLACED, REQUESTED, Shop, is_rejected, reason_of};

#[sqlx::test(migrations = false)]
async fn a_pending_order_is_cancelled_once_with_the_reason(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    shop.stock_rejected(order.id).await.unwrap();
    shop.stock_rejected(order.id).await.unwrap();
    let order = shop.reload(order.id).await;
    assert_eq!(
        (order.status, reason_of(&order)),
        (Status::Cancelled, "STOCK_INSUFFICIENT")
    );
    assert_eq!(shop.outbox().await, [PLACED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn a_reservation_that_turns_out_void_cancels_the_order(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    shop.stock_rejected(order.id).await.unwrap();
    assert_eq!(shop.reload(order.id).await.status, Status::Cancelled);
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn for_a_confirmed_order_it_comes_too_late(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    assert!(is_rejected(&shop.stock_rejected(order.id).await));
    assert_eq!(shop.reload(order.id).await.status, Status::Confirmed);
}
