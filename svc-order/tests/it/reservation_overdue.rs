//! Being asked what became of an order whose stock is reserved for too long.

use sqlx::PgPool;
use svc_order::order::Status;

use crate::support::{CANCELLED, CONFIRMED, PLACED, REQUESTED, Shop, reason_of};

#[sqlx::test(migrations = false)]
async fn a_checkout_without_end_is_called_off(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    shop.reservation_overdue(order.id).await.unwrap();
    let order = shop.reload(order.id).await;
    assert_eq!(
        (order.status, reason_of(&order)),
        (Status::Cancelled, "RESERVATION_EXPIRED")
    );
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_is_confirmed_again(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    shop.reservation_overdue(order.id).await.unwrap();
    assert_eq!(shop.reload(order.id).await, order, "nothing has changed");
    assert_eq!(
        shop.outbox().await,
        [PLACED, REQUESTED, CONFIRMED, CONFIRMED]
    );
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_cancelled_again(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    shop.stock_rejected(order.id).await.unwrap();
    shop.reservation_overdue(order.id).await.unwrap();
    assert_eq!(shop.outbox().await, [PLACED, CANCELLED, CANCELLED]);
}
