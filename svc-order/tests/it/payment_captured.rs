//! Hearing that the money was taken.

use sqlx::PgPool;
use svc_order::{cancel_order::cancel_order, order::Status};

use crate::support::{
    CANCELLED, CONFIRMED, PLACED, REQUESTED, Shop, captured, eur, is_rejected, uuid,
};

#[sqlx::test(migrations = false)]
async fn a_replayed_capture_confirms_the_order_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    shop.captured(captured(&order)).await.unwrap();
    shop.captured(captured(&order)).await.unwrap();
    let order = shop.reload(order.id).await;
    assert_eq!(order.status, Status::Confirmed);
    assert!(order.paid && order.payment_token.is_none());
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CONFIRMED]);
}

#[sqlx::test(migrations = false)]
async fn a_late_capture_is_noted_and_the_order_stays_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    shop.captured(captured(&order)).await.unwrap();
    shop.captured(captured(&order)).await.unwrap();
    let late = shop.reload(order.id).await;
    assert_eq!(
        (late.status, late.paid, late.refunded),
        (Status::Cancelled, true, false)
    );
    assert!(!late.is_final());
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, CANCELLED]);
}

#[sqlx::test(migrations = false)]
async fn money_that_was_not_asked_for_is_rejected_loudly(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    let mut wrong_amount = captured(&order);
    wrong_amount.amount = Some(eur(41_99).into());
    let mut wrong_payment = captured(&order);
    wrong_payment.payment_id = uuid().to_string();
    let mut no_amount = captured(&order);
    no_amount.amount = None;
    for event in [wrong_amount, wrong_payment, no_amount] {
        assert!(is_rejected(&shop.captured(event).await));
    }
    assert_eq!(shop.reload(order.id).await, order);

    let pending = shop.given_pending().await;
    let mut early = captured(&order);
    early.order_id = pending.id.to_string();
    assert!(is_rejected(&shop.captured(early).await));
    assert_eq!(shop.reload(pending.id).await.status, Status::Pending);
}
