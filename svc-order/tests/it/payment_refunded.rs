//! Hearing that money was given back.

use proto::souk::event::v1::PaymentRefunded;
use sqlx::PgPool;
use svc_kit::consumer::ConsumeError;
use svc_order::{cancel_order::cancel_order, order::Status};

use crate::support::{Shop, captured, eur, is_rejected, refunded, refunded_part, uuid};

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_refunded_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    let refund = refunded(&order);
    shop.refunded(refund.clone()).await.unwrap();
    let first = shop.reload(order.id).await;
    // The same refund, announced anew.
    shop.refunded(refund).await.unwrap();
    assert_eq!((first.status, first.refunded), (Status::Cancelled, true));
    assert_eq!(first.refunded_total, first.total);
    assert_eq!(shop.reload(order.id).await, first);
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_refunded_in_parts(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    let part = refunded_part(&order, 40_00);
    for _ in 0..2 {
        shop.refunded(part.clone()).await.unwrap();
        let order = shop.reload(order.id).await;
        assert_eq!(order.refunded_total, eur(40_00));
        assert!(!order.refunded && !order.is_final());
    }
    shop.refunded(refunded_part(&order, 2_00)).await.unwrap();
    let order = shop.reload(order.id).await;
    assert!(order.refunded && order.is_final());
}

#[sqlx::test(migrations = false)]
async fn staff_may_refund_an_order_that_is_not_cancelled(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let confirmed = shop.given_confirmed().await;
    let shipped = shop.given_shipped().await;
    for order in [confirmed, shipped] {
        shop.refunded(refunded_part(&order, 2_00)).await.unwrap();
        let some = shop.reload(order.id).await;
        assert_eq!(
            (some.status, some.refunded, some.refunded_total),
            (order.status, false, eur(2_00))
        );
        shop.refunded(refunded_part(&order, 40_00)).await.unwrap();
        let all = shop.reload(order.id).await;
        assert_eq!((all.status, all.refunded), (order.status, true));
        assert!(is_rejected(&shop.refunded(refunded_part(&order, 1)).await));
    }
}

#[sqlx::test(migrations = false)]
async fn word_of_the_refund_may_come_before_word_of_the_capture(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    // Staff refunds at once what was captured a moment ago.
    let refund = refunded_part(&order, 2_00);
    let early = shop.refunded(refund.clone()).await;
    assert!(matches!(early, Err(ConsumeError::Retry(_))), "{early:?}");
    shop.captured(captured(&order)).await.unwrap();
    shop.refunded(refund).await.unwrap();
    assert_eq!(shop.reload(order.id).await.refunded_total, eur(2_00));

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
    let other_payment = PaymentRefunded {
        payment_id: uuid().to_string(),
        ..refunded(&order)
    };
    let nothing = refunded_part(&order, 0);
    let too_much = refunded_part(&order, 42_01);
    for refund in [other_payment, nothing, too_much] {
        assert!(is_rejected(&shop.refunded(refund).await));
    }
    assert_eq!(shop.reload(order.id).await, order);
}
