use sqlx::PgPool;
use svc_kit::job::Progress;
use svc_payment::{
    charge_payment::ask,
    payment::{SETTLED_AFTER, Status},
    provider::FoundCharge,
};

use crate::harness::{GIVEN_BACK, Harness, LONG, receipt};

const CAPTURED: &str = "souk.payment.captured.v1";
const REFUNDED: &str = "souk.payment.refunded.v1";

#[sqlx::test(migrations = false)]
async fn an_order_cancelled_before_the_request_is_never_charged(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.request("tok_ok");

    shop.hear_cancelled(&request).await.unwrap();
    shop.hear_request(&request).await.unwrap();
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Cancelled);
    assert_eq!(shop.at_sandbox(&request).await, (0, 0));
    assert_eq!(shop.outbox().await, Vec::<String>::new());
    assert_eq!(shop.books(&request).await, []);
}

#[sqlx::test(migrations = false)]
async fn a_request_and_a_cancellation_at_once_charge_nothing_for_good(pool: PgPool) {
    let shop = Harness::new(pool).await;
    for _ in 0..20 {
        let request = shop.request("tok_ok");
        let (asked, cancelled) =
            tokio::join!(shop.hear_request(&request), shop.hear_cancelled(&request));
        asked.unwrap();
        cancelled.unwrap();
        shop.drain().await;
        assert_eq!(shop.status(&request).await, Status::Cancelled);
        assert_eq!(shop.at_sandbox(&request).await, (0, 0));
    }
}

#[sqlx::test(migrations = false)]
async fn a_payment_that_was_not_sent_is_dropped(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;

    shop.hear_cancelled(&request).await.unwrap();
    assert_eq!(shop.charge_step().await, Progress::Idle);

    assert_eq!(shop.status(&request).await, Status::Cancelled);
    assert_eq!(shop.at_sandbox(&request).await, (0, 0));
}

#[sqlx::test(migrations = false)]
async fn a_charge_in_flight_is_refunded_when_it_turns_out_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;

    let claimed = shop.claim().await;
    shop.hear_cancelled(&request).await.unwrap();
    assert_eq!(shop.status(&request).await, Status::Requested);
    let answer = ask(&shop.app, &claimed).await;
    shop.conclude(claimed, answer).await;
    shop.drain().await;

    let payment = shop.payment(&request).await;
    assert_eq!(payment.status, Status::Refunded);
    assert_eq!(payment.refunded, payment.amount);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.outbox().await, [CAPTURED, REFUNDED]);
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
}

#[sqlx::test(migrations = false)]
async fn a_lost_answer_of_a_cancelled_order_is_looked_up_and_refunded(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.called_off("tok_timeout").await;
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
}

#[sqlx::test(migrations = false)]
async fn a_charge_that_never_arrived_is_not_made_again_for_a_cancelled_order(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    shop.claim().await;
    // Crash before the provider was called, and a cancellation meanwhile.
    shop.hear_cancelled(&request).await.unwrap();
    shop.clock.advance(SETTLED_AFTER / 2);
    shop.drain().await;
    assert_eq!(
        shop.status(&request).await,
        Status::Requested,
        "it may still arrive"
    );

    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Cancelled);
    assert_eq!(shop.at_sandbox(&request).await, (0, 0));
}

#[sqlx::test(migrations = false)]
async fn money_that_arrives_after_the_payment_was_given_up_goes_back(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let late = shop.claim().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Cancelled);

    let captured = FoundCharge::Captured(receipt());
    assert_eq!(ask(&shop.app, &late).await, captured);
    shop.conclude(late, captured).await;
    shop.drain().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
}

#[sqlx::test(migrations = false)]
async fn a_captured_payment_is_refunded_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.called_off("tok_ok").await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.drain().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.outbox().await, [CAPTURED, REFUNDED]);
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
}

#[sqlx::test(migrations = false)]
async fn a_declined_payment_of_a_cancelled_order_stays_as_it_is(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.called_off("tok_declined").await;
    shop.clock.advance(LONG);
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Failed);
    assert_eq!(shop.outbox().await, ["souk.payment.failed.v1"]);
}
