use sqlx::PgPool;
use svc_payment::{
    payment::Status,
    provider::FoundRefund,
    refund_payment::{ask, begin, conclude},
};

use crate::harness::Harness;

const EVENTS: [&str; 2] = ["souk.payment.captured.v1", "souk.payment.refunded.v1"];

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_provider_was_asked_refunds_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    while shop.charge_step().await == svc_kit::job::Progress::More {}
    shop.hear_cancelled(&request).await.unwrap();

    begin(&shop.app).await.unwrap().unwrap();
    assert!(
        begin(&shop.app).await.unwrap().is_none(),
        "the lease keeps others away"
    );
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.outbox().await, EVENTS);
}

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_refund_was_recorded_refunds_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    while shop.charge_step().await == svc_kit::job::Progress::More {}
    shop.hear_cancelled(&request).await.unwrap();

    let late = begin(&shop.app).await.unwrap().unwrap();
    assert_eq!(ask(&shop.app, &late).await, FoundRefund::Refunded);
    shop.settle().await;
    // Whoever was slow comes back with its answer after all.
    conclude(&shop.app, &late, FoundRefund::Refunded)
        .await
        .unwrap();

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.outbox().await, EVENTS);
}

#[sqlx::test(migrations = false)]
async fn the_database_refuses_to_give_back_more_than_was_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    shop.drain().await;

    let refused = sqlx::query("UPDATE payments SET refunded_minor = amount_minor + 1")
        .execute(&shop.pool)
        .await
        .unwrap_err();

    assert!(
        refused.to_string().contains("payments_refunded"),
        "{refused}"
    );
    assert_eq!(shop.status(&request).await, Status::Captured);
}
