//! What does not agree is found, and nothing else.

use std::time::{Duration, Instant};

use chrono::{DateTime, Days, Utc};
use sqlx::PgPool;
use svc_kit::job::{Job as _, Progress};
use svc_payment::{
    jobs::ReconcileDays,
    payment::Status,
    provider::{Record, RecordKind, RecordState},
    reconcile::reconcile,
    reconciliation::{Kind, READY_AFTER, SETTLED_AGE, State},
    store::reconciliations,
};
use uuid::Uuid;

use super::{DAY, PAYMENTS, day, given_a_day, plant};
use crate::{double::Double, harness::Harness};

/// A comparison of so many takes no longer, also on a busy machine.
const QUICK: Duration = Duration::from_secs(30);

#[sqlx::test(migrations = false)]
async fn of_ten_thousand_payments_exactly_what_differs_is_found(pool: PgPool) {
    let shop = Harness::new(pool).await;
    shop.clock.advance(DAY);
    given_a_day(&shop).await;

    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, []);

    let planted = plant(&shop).await;
    assert_eq!(planted.len(), 50);
    let begun = Instant::now();
    let records = shop.reconciled().await;
    let took = begun.elapsed();
    assert_eq!(shop.found(State::Open).await, planted);
    assert!(took < QUICK, "{took:?}");
    println!("compared {PAYMENTS} payments in {took:?}");
    // What is there is read once: 10,000 charges, 2,000 refunds, and the changes.
    assert_eq!(records, 12_000 + 7 - 7 + 6 - 6);

    // A second time nothing is found that was not known.
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, planted);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM reconciliation_records")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test(migrations = false)]
async fn what_vanishes_by_itself_is_closed_and_opened_when_it_comes_back(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    shop.clock.advance(DAY);
    let other = |minor: i32| format!("UPDATE sandbox.charges SET amount_minor = {minor}");
    let planted = [(
        Kind::AmountDiffers,
        RecordKind::Charge,
        request.payment_id.parse().unwrap(),
    )];

    shop.sql(&other(1)).await;
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, planted);
    shop.sql(&other(42_00)).await;
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, []);
    assert_eq!(shop.found(State::Vanished).await, planted);
    shop.sql(&other(2)).await;
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, planted);
    assert_eq!(shop.found(State::Vanished).await, []);
}

#[sqlx::test(migrations = false)]
async fn what_both_sides_agree_on_is_no_discrepancy(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.drain().await;
    shop.requested("tok_declined").await;
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    shop.clock.advance(DAY);

    // Charged, refunded and declined as both sides say.
    assert_eq!(shop.reconciled().await, 3);
    assert_eq!(shop.found(State::Open).await, []);
}

/// Each record once more, under another reference.
fn twice(records: Vec<Record>) -> Vec<Record> {
    let again: Vec<_> = records
        .iter()
        .map(|record| Record {
            reference: format!("again_{}", record.reference),
            ..record.clone()
        })
        .collect();
    records.into_iter().chain(again).collect()
}

#[sqlx::test(migrations = false)]
async fn a_payment_that_was_charged_twice_is_found(pool: PgPool) {
    let shop = Harness::with(pool, |double| Double {
        list: Box::new(twice),
        ..double
    })
    .await;
    let request = shop.captured().await;
    shop.requested("tok_declined").await;
    shop.drain().await;
    shop.clock.advance(DAY);

    assert_eq!(shop.reconciled().await, 4);
    let charged = request.payment_id.parse().unwrap();
    let twice = [(Kind::MissingHere, RecordKind::Charge, charged)];
    assert_eq!(shop.found(State::Open).await, twice);
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, twice);
}

/// Of each refund only a try that failed five hours before.
fn failed_before(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        if record.kind == RecordKind::Refund {
            record.state = RecordState::Failed;
            record.time -= Duration::from_hours(5);
        }
    }
    records
}

#[sqlx::test(migrations = false)]
async fn a_refund_is_missed_though_an_earlier_try_of_it_is_on_record(pool: PgPool) {
    let shop = Harness::with(pool, |double| Double {
        list: Box::new(failed_before),
        ..double
    })
    .await;
    let request = shop.captured().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    shop.clock.advance(DAY);

    assert_eq!(shop.reconciled().await, 2);
    let refund_id: Uuid = sqlx::query_scalar("SELECT id FROM refunds")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    let missing = [(Kind::MissingThere, RecordKind::Refund, refund_id)];
    assert_eq!(shop.found(State::Open).await, missing);
}

#[sqlx::test(migrations = false)]
async fn a_charge_is_missed_though_an_earlier_try_of_it_is_on_record(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    shop.sql(
        "UPDATE sandbox.charges SET decline_reason = 'PAYMENT_DECLINED',
             create_time = create_time - interval '5 hours'",
    )
    .await;
    shop.clock.advance(DAY);

    assert_eq!(shop.reconciled().await, 1);
    let payment_id = request.payment_id.parse().unwrap();
    let missing = [(Kind::MissingThere, RecordKind::Charge, payment_id)];
    assert_eq!(shop.found(State::Open).await, missing);
}

#[sqlx::test(migrations = false)]
async fn what_straddles_midnight_is_no_discrepancy(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let eve: DateTime<Utc> = "2023-11-14T23:59:59Z".parse().unwrap();
    let left = (eve - shop.clock.now()).to_std().unwrap();
    shop.clock.advance(left);
    let request = shop.captured().await;
    shop.sql("UPDATE sandbox.charges SET create_time = create_time + interval '2 seconds'")
        .await;
    shop.clock
        .advance(DAY + READY_AFTER + Duration::from_secs(1));

    let job = ReconcileDays {
        app: shop.app.clone(),
    };
    while job.step().await.unwrap() == Progress::More {}
    assert_eq!(shop.found(State::Open).await, []);
    let runs = reconciliations::of_date(&shop.pool, day() + Days::new(1))
        .await
        .unwrap();
    assert!(runs[0].end_time.is_some());

    // And it is found once where it differs.
    shop.sql("DELETE FROM sandbox.charges").await;
    shop.reconciled().await;
    reconcile(&shop.app, Some(day() + Days::new(1)))
        .await
        .unwrap();
    shop.stepped().await;
    assert_eq!(
        shop.found(State::Open).await,
        [(
            Kind::MissingThere,
            RecordKind::Charge,
            request.payment_id.parse().unwrap()
        )]
    );
}

#[sqlx::test(migrations = false)]
async fn what_is_in_flight_is_not_compared_before_it_has_settled(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_timeout").await;
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Requested);

    shop.clock
        .advance(SETTLED_AGE.saturating_sub(Duration::from_secs(1)));
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await, []);

    // Nobody looked it up for so long: now it is one.
    shop.clock.advance(Duration::from_secs(1));
    shop.reconciled().await;
    let open = [(
        Kind::StateDiffers,
        RecordKind::Charge,
        request.payment_id.parse().unwrap(),
    )];
    assert_eq!(shop.found(State::Open).await, open);

    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    shop.reconciled().await;
    assert_eq!(shop.found(State::Vanished).await, open);
}
