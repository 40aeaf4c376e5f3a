use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use sqlx::PgPool;
use svc_kit::job::Progress;
use svc_payment::{
    charge_payment::{CLAIMED_TOGETHER, ask},
    ledger::Account,
    payment::{Call, PaymentId, Status},
    provider::{Charged, FoundCharge},
};
use tokio::sync::Semaphore;

use crate::{
    double::Double,
    harness::{FEE, Harness, LONG, receipt},
};

const CAPTURED: &str = "souk.payment.captured.v1";
const FAILED: &str = "souk.payment.failed.v1";

/// What a captured payment leaves in the ledger.
const SOLD: [(Account, i64); 3] = [
    (Account::CashAtProvider, 42_00 - FEE),
    (Account::Fees, FEE),
    (Account::Revenue, -42_00),
];

#[sqlx::test(migrations = false)]
async fn a_good_token_is_captured(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    assert_eq!(shop.status(&request).await, Status::Requested);

    shop.drain().await;

    let payment = shop.payment(&request).await;
    assert_eq!(payment.status, Status::Captured);
    assert_eq!(payment.refunded.minor, 0);
    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.books(&request).await, SOLD);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn a_declined_token_fails_and_books_nothing(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let declined = shop.requested("tok_declined").await;
    let unknown = shop.requested("tok_of_nobody").await;

    shop.drain().await;

    for (request, reason) in [
        (declined, "PAYMENT_DECLINED"),
        (unknown, "PAYMENT_TOKEN_INVALID"),
    ] {
        let payment = shop.payment(&request).await;
        assert_eq!(payment.status, Status::Failed);
        assert_eq!(payment.failure_reason.as_deref(), Some(reason));
        assert_eq!(shop.books(&request).await, []);
        assert_eq!(shop.at_sandbox(&request).await, (0, 0));
    }
    assert_eq!(shop.outbox().await, [FAILED, FAILED]);
}

#[sqlx::test(migrations = false)]
async fn a_lost_answer_is_looked_up_not_guessed(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_timeout").await;

    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(shop.outbox().await, Vec::<String>::new());

    shop.clock.advance(LONG);
    shop.drain().await;

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.payment(&request).await.attempts, 2);
    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn the_token_is_forgotten_when_nothing_will_be_charged(pool: PgPool) {
    let shop = Harness::new(pool).await;
    shop.requested("tok_ok").await;
    shop.requested("tok_declined").await;
    shop.drain().await;
    let tokens: i64 = sqlx::query_scalar("SELECT count(payment_token) FROM payments")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(tokens, 0);
}

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_provider_was_called_charges_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;

    let claimed = shop.claim().await;
    assert_eq!(claimed.call, Call::Charge);
    // Crash: the attempt is recorded, the provider knows nothing.
    assert_eq!(
        shop.charge_step().await,
        Progress::Idle,
        "the lease keeps others away"
    );
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.books(&request).await, SOLD);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn a_crash_before_the_outcome_was_recorded_charges_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;

    let claimed = shop.claim().await;
    assert_eq!(
        ask(&shop.app, &claimed).await,
        FoundCharge::Captured(receipt())
    );
    // Crash: the provider has the money, nothing is written.
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.books(&request).await, SOLD);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn an_outcome_that_comes_twice_is_booked_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let slow = shop.claim().await;
    // Its lease runs out, and somebody else finishes.
    shop.settle().await;

    let answer = ask(&shop.app, &slow).await;
    shop.conclude(slow, answer).await;

    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.books(&request).await, SOLD);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn workers_beside_each_other_charge_each_payment_once(pool: PgPool) {
    let charged = Mutex::<HashSet<PaymentId>>::default();
    let shop = Harness::with(pool, |double| Double {
        charge: Box::new(move |id| {
            assert!(charged.lock().unwrap().insert(id), "{id} is charged again");
            None
        }),
        ..double
    })
    .await;
    let mut requests = Vec::new();
    // More than one of them claims at once.
    for _ in 0..3 * CLAIMED_TOGETHER {
        requests.push(shop.requested("tok_ok").await);
    }

    let workers: Vec<_> = (0..6)
        .map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move { while shop.charge_step().await == Progress::More {} })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }

    for request in &requests {
        assert_eq!(shop.books(request).await, SOLD);
        assert_eq!(shop.payment(request).await.attempts, 1);
    }
    assert_eq!(shop.outbox().await.len(), requests.len());
}

#[sqlx::test(migrations = false)]
async fn a_slow_payment_holds_up_no_other(pool: PgPool) {
    let gate = Arc::new(Semaphore::new(0));
    let shop = Harness::with(pool, |double| double.held_by(&gate)).await;
    let slow = shop.requested("tok_slow").await;
    let with_it = shop.requested("tok_ok").await;

    let first = tokio::spawn({
        let shop = shop.clone();
        async move { shop.charge_step().await }
    });
    shop.until(&with_it, Status::Captured).await;
    let after_it = shop.requested("tok_ok").await;
    assert_eq!(shop.charge_step().await, Progress::More);

    assert_eq!(shop.status(&after_it).await, Status::Captured);
    assert_eq!(shop.status(&slow).await, Status::Requested);
    assert!(!first.is_finished());
    gate.add_permits(1);
    first.await.unwrap();
    assert_eq!(shop.status(&slow).await, Status::Captured);
}

#[sqlx::test(migrations = false)]
async fn an_unknown_outcome_is_asked_for_until_it_is_known(pool: PgPool) {
    // The first charge gets lost on the way.
    let charges = Mutex::new(VecDeque::from([Charged::Unknown]));
    let look_ups = Mutex::new(VecDeque::from([
        FoundCharge::Unknown,
        FoundCharge::Unknown,
        FoundCharge::NotFound,
    ]));
    let shop = Harness::with(pool, |double| Double {
        charge: Box::new(move |_| charges.lock().unwrap().pop_front()),
        look_up: Box::new(move |_| look_ups.lock().unwrap().pop_front()),
        ..double
    })
    .await;
    let request = shop.requested("tok_timeout").await;

    for expected in [
        "charge", "look_up", "look_up", "look_up", "charge", "look_up",
    ] {
        let claimed = shop.claim().await;
        assert_eq!(claimed.call.as_str(), expected);
        let answer = ask(&shop.app, &claimed).await;
        shop.conclude(claimed, answer).await;
        shop.clock.advance(LONG);
    }

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
    assert_eq!(shop.outbox().await, [CAPTURED]);
}
