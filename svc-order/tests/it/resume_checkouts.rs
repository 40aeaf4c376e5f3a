//! Resuming checkouts that got stuck.

use std::time::Duration;

use sqlx::PgPool;
use svc_kit::job::{Job as _, Progress};
use svc_order::{jobs::ResumeCheckouts, order::Status};

use crate::support::{
    CANCELLED, CONFIRMED, PLACED, REQUESTED, Shop, at_once, captured, eur, order_of, reason_of,
};

#[sqlx::test(migrations = false)]
async fn a_pending_order_is_announced_again_more_and_more_rarely(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let mut counts = Vec::new();
    for _ in 0..8 {
        shop.app.clock.advance(Duration::from_secs(59));
        shop.resume_checkouts().await;
        counts.push(shop.outbox().await.len());
    }
    // Placed at 0; again at 60 s, 120 s after that, 240 s after that.
    assert_eq!(counts, [1, 2, 2, 2, 3, 3, 3, 3]);
    assert!(shop.outbox().await.iter().all(|subject| subject == PLACED));
    assert_eq!(shop.reload(order.id).await.version, 1);
}

#[sqlx::test(migrations = false)]
async fn a_reserved_order_asks_again_for_the_same_payment_and_completes(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_reserved().await;
    shop.app.clock.advance(Duration::from_secs(61));
    shop.resume_checkouts().await;
    assert_eq!(shop.outbox().await, [PLACED, REQUESTED, REQUESTED]);
    assert_eq!(shop.reload(order.id).await.payment_id, order.payment_id);

    shop.captured(captured(&order)).await.unwrap();
    shop.app.clock.advance(Duration::from_hours(1));
    shop.resume_checkouts().await;
    assert_eq!(
        shop.outbox().await,
        [PLACED, REQUESTED, REQUESTED, CONFIRMED]
    );
}

#[sqlx::test(migrations = false)]
async fn what_takes_too_long_is_cancelled_once_and_a_late_capture_is_noted(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (pending, reserved) = (shop.given_pending().await, shop.given_reserved().await);
    shop.app.clock.advance(Duration::from_mins(15));
    shop.resume_checkouts().await;
    shop.resume_checkouts().await;
    for order in [&pending, &reserved] {
        let order = shop.reload(order.id).await;
        assert_eq!(
            (order.status, reason_of(&order)),
            (Status::Cancelled, "CHECKOUT_TIMEOUT")
        );
    }
    assert_eq!(
        shop.outbox().await,
        [PLACED, PLACED, REQUESTED, CANCELLED, CANCELLED]
    );

    shop.captured(captured(&reserved)).await.unwrap();
    let late = shop.reload(reserved.id).await;
    assert!(late.status == Status::Cancelled && late.paid);
}

#[sqlx::test(migrations = false)]
async fn the_deadline_is_met_whatever_the_waits_are(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    for _ in 0..14 {
        shop.app.clock.advance(Duration::from_mins(1));
        shop.resume_checkouts().await;
        assert_eq!(shop.reload(order.id).await.status, Status::Pending);
    }
    shop.app.clock.advance(Duration::from_mins(1));
    shop.resume_checkouts().await;
    assert_eq!(shop.reload(order.id).await.status, Status::Cancelled);
}

#[sqlx::test(migrations = false)]
async fn replicas_at_once_announce_each_order_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let tent = shop.catalog.sell("Tent", eur(42_00));
    for _ in 0..20 {
        shop.place(order_of(&[(tent, 1)])).await.unwrap();
    }
    shop.app.clock.advance(Duration::from_secs(61));
    at_once(4, |_| {
        let job = ResumeCheckouts::new(&shop.app);
        async move { while job.step().await.unwrap() == Progress::More {} }
    })
    .await;
    assert_eq!(shop.outbox().await.len(), 40);
}

#[sqlx::test(migrations = false)]
async fn an_order_that_cannot_be_read_does_not_hold_up_the_others(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (broken, other) = (shop.given_pending().await, shop.given_pending().await);
    sqlx::query("UPDATE orders SET shipping_address = '[]' WHERE id = $1")
        .bind(broken.id.0)
        .execute(shop.db().writer())
        .await
        .unwrap();
    shop.app.clock.advance(Duration::from_secs(61));
    shop.resume_checkouts().await;
    shop.resume_checkouts().await;
    assert_eq!(shop.outbox().await, [PLACED, PLACED, PLACED]);
    assert_eq!(shop.reload(other.id).await.announcements, 1);
}
