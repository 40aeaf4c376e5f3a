use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use proto::souk::payment::v1::{
    DiscrepancyKind, DiscrepancyObject, DiscrepancyState, GetReconciliationRequest,
    ListDiscrepanciesRequest, ReconcileRequest, ResolveDiscrepancyRequest,
    payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_kit::job::{Job as _, Progress};
use svc_payment::{
    grpc::Grpc,
    jobs::ReconcileDays,
    payment::Status,
    provider::{ProviderName, RECORDS_PER_PAGE, Record, RecordKind, RecordState},
    reconcile::{AWAY_PAUSE, reconcile, step},
    reconciliation::{CATCH_UP_DAYS, Kind, MARGIN, READY_AFTER, SETTLED_AGE, State},
    store::{
        LEASE,
        discrepancies::{self, Filter},
        reconciliations,
    },
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    double::Double,
    harness::{Harness, by_staff, reason},
};

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Payments of the day that is compared.
const PAYMENTS: i32 = 10_000;

/// A comparison of them takes no longer, also on a busy machine.
const QUICK: Duration = Duration::from_secs(30);

/// The day of the harness's clock.
fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, 11, 14).unwrap()
}

impl Harness {
    /// Compares the day with the provider, to the end.
    pub(crate) async fn reconciled(&self) -> u64 {
        reconcile(&self.app, Some(day())).await.unwrap();
        self.stepped().await;
        let runs = reconciliations::of_date(&self.pool, day()).await.unwrap();
        assert!(runs.iter().all(|run| run.end_time.is_some()), "{runs:?}");
        runs.iter().map(|run| run.records).sum()
    }

    async fn stepped(&self) {
        while step(&self.app).await.unwrap() {}
    }

    /// What does not agree, and where it stands.
    pub(crate) async fn found(&self, state: State) -> Vec<(Kind, RecordKind, Uuid)> {
        let filter = Filter {
            state: Some(state),
            ..Filter::default()
        };
        let found = discrepancies::page(&self.pool, filter, 1_000)
            .await
            .unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .map(|one| one.finding)
            .map(|one| (one.kind, one.object, one.object_id.unwrap()))
            .collect();
        found.sort_by_key(|(kind, object, id)| (*kind, object.as_str(), *id));
        found
    }

    async fn sql(&self, statements: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

/// The ids of what is planted: kind of thing in the high digits, then a number.
fn id(thing: u64, number: i32) -> Uuid {
    Uuid::from_u128((u128::from(thing) << 64) | u128::from(number.unsigned_abs()))
}

const PAYMENT: u64 = 1;
const REFUND: u64 = 2;

/// A day of captured payments, every fifth refunded in part, of which both sides
/// know the same.
async fn given_a_day(shop: &Harness) {
    shop.sql(&format!(
        "CREATE FUNCTION pg_temp.id(thing integer, number integer) RETURNS uuid
             LANGUAGE sql IMMUTABLE AS $$
             SELECT (lpad(to_hex(thing), 16, '0') || lpad(to_hex(number), 16, '0'))::uuid $$;
         CREATE TEMP TABLE planned AS
             SELECT n, pg_temp.id({PAYMENT}, n) AS id, pg_temp.id(3, n) AS order_id,
                 timestamptz '2023-11-14 00:00Z' + n * interval '8 seconds' AS time
             FROM generate_series(1, {PAYMENTS}) AS n;
         INSERT INTO checkouts (order_id, create_time) SELECT order_id, time FROM planned;
         INSERT INTO payments (id, order_id, account_id, status, currency, amount_minor,
                 captured_minor, attempts, last_charge_time, provider, create_time, update_time)
             SELECT id, order_id, id, 'captured', 'EUR', 5000 + n, 5000 + n, 1, time, 'sandbox',
                 time, time FROM planned;
         INSERT INTO sandbox.charges (payment_id, currency, amount_minor, create_time)
             SELECT id, 'EUR', 5000 + n, time + interval '1 second' FROM planned;
         INSERT INTO refunds (id, payment_id, order_id, status, currency, amount_minor,
                 last_refund_time, create_time, update_time)
             SELECT pg_temp.id({REFUND}, n), id, order_id, 'refunded', 'EUR', n, time, time, time
             FROM planned WHERE n % 5 = 0;
         UPDATE payments SET status = 'partially_refunded',
             refunded_minor = refund_requested_minor WHERE refund_requested_minor > 0;
         INSERT INTO sandbox.refunds (refund_id, payment_id, currency, amount_minor, create_time)
             SELECT id, payment_id, 'EUR', amount_minor, create_time + interval '1 second'
             FROM refunds;
         DROP TABLE planned;"
    ))
    .await;
}

/// Breaks what both sides agree on in 50 places, and says where.
async fn plant(shop: &Harness) -> Vec<(Kind, RecordKind, Uuid)> {
    use RecordKind::{Charge, Refund};
    let mut planted = Vec::new();
    let mut break_one = async |kind, object, id: Uuid, sql: String| {
        shop.sql(&sql.replace("ID", &format!("'{id}'"))).await;
        planted.push((kind, object, id));
    };
    // Of payments without refunds: what is not divisible by five.
    for n in [1, 7, 501, 4_999, 9_998, 9_999, 10_001] {
        let unknown = id(7, n);
        let insert = format!(
            "INSERT INTO sandbox.charges (payment_id, currency, amount_minor, create_time)
             VALUES (ID, 'EUR', {n}, timestamptz '2023-11-14 00:00Z' + {n} * interval '8 seconds')"
        );
        break_one(Kind::MissingHere, Charge, unknown, insert).await;
    }
    for n in [2, 8, 502, 1_002, 5_002, 9_997, 9_996] {
        let delete = "DELETE FROM sandbox.charges WHERE payment_id = ID".to_owned();
        break_one(Kind::MissingThere, Charge, id(PAYMENT, n), delete).await;
    }
    for n in [3, 9, 503, 1_003, 5_003, 9_993] {
        let change = if n % 2 == 0 {
            "UPDATE sandbox.charges SET currency = 'USD' WHERE payment_id = ID"
        } else {
            "UPDATE sandbox.charges SET amount_minor = amount_minor + 1 WHERE payment_id = ID"
        };
        break_one(
            Kind::AmountDiffers,
            Charge,
            id(PAYMENT, n),
            change.to_owned(),
        )
        .await;
    }
    for n in [4, 504, 1_004, 11, 511, 1_011] {
        let change = if n % 2 == 0 {
            "UPDATE sandbox.charges SET decline_reason = 'PAYMENT_DECLINED' WHERE payment_id = ID"
        } else {
            "UPDATE payments SET status = 'failed', captured_minor = 0,
                 failure_reason = 'PAYMENT_DECLINED' WHERE id = ID"
        };
        break_one(
            Kind::StateDiffers,
            Charge,
            id(PAYMENT, n),
            change.to_owned(),
        )
        .await;
    }
    for n in [10, 510, 1_010, 2_010, 5_010, 9_990] {
        let payment = id(PAYMENT, n);
        let insert = format!(
            "INSERT INTO sandbox.refunds (refund_id, payment_id, currency, amount_minor, create_time)
             VALUES (ID, '{payment}', 'EUR', 1, '2023-11-14 12:00Z')"
        );
        break_one(Kind::MissingHere, Refund, id(8, n), insert).await;
    }
    for n in [15, 515, 1_015, 2_015, 5_015, 9_995] {
        let delete = "DELETE FROM sandbox.refunds WHERE refund_id = ID".to_owned();
        break_one(Kind::MissingThere, Refund, id(REFUND, n), delete).await;
    }
    for n in [20, 520, 1_020, 2_020, 5_020, 10_000] {
        let change =
            "UPDATE sandbox.refunds SET amount_minor = amount_minor + 1 WHERE refund_id = ID";
        break_one(
            Kind::AmountDiffers,
            Refund,
            id(REFUND, n),
            change.to_owned(),
        )
        .await;
    }
    for n in [25, 525, 1_025, 2_025, 5_025, 9_985] {
        let change = "UPDATE payments SET refunded_minor = 0, status = 'captured'
                 WHERE id = (SELECT payment_id FROM refunds WHERE id = ID);
             UPDATE refunds SET status = 'refused' WHERE id = ID";
        break_one(Kind::StateDiffers, Refund, id(REFUND, n), change.to_owned()).await;
    }
    planted.sort_by_key(|(kind, object, id)| (*kind, object.as_str(), *id));
    planted
}

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

#[sqlx::test(migrations = false)]
async fn each_day_is_compared_once_however_many_replicas_there_are(pool: PgPool) {
    let shop = Harness::new(pool).await;
    given_a_day(&shop).await;
    shop.clock.advance(DAY);

    let replicas: Vec<_> = (0..4)
        .map(|_| {
            let job = ReconcileDays {
                app: shop.app.clone(),
            };
            tokio::spawn(async move { while job.step().await.unwrap() == Progress::More {} })
        })
        .collect();
    for replica in replicas {
        replica.await.unwrap();
    }
    // One of them may have seen the last step under way and gone idle.
    shop.stepped().await;

    let runs: Vec<(NaiveDate, i32, i64, bool)> = sqlx::query_as(
        "SELECT date, number, records, phase = 'finished' FROM reconciliation_runs ORDER BY date",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(runs.len(), usize::try_from(CATCH_UP_DAYS).unwrap());
    assert!(
        runs.iter()
            .all(|(_, number, _, finished)| *number == 1 && *finished)
    );
    assert_eq!(runs.last().unwrap(), &(day(), 1, 12_000, true));
    assert_eq!(shop.found(State::Open).await, []);
}

#[sqlx::test(migrations = false)]
async fn a_comparison_that_was_cut_off_is_gone_on_with(pool: PgPool) {
    let shop = Harness::new(pool).await;
    shop.clock.advance(DAY);
    given_a_day(&shop).await;
    let planted = plant(&shop).await;
    reconcile(&shop.app, Some(day())).await.unwrap();
    let claim = async || {
        reconciliations::claim_due(&shop.pool, &["sandbox"], shop.clock.now())
            .await
            .unwrap()
    };

    let mut crashes = 0;
    loop {
        // Whoever claims it dies with it, at each of its steps.
        let Some(dead) = claim().await else { break };
        crashes += 1;
        assert!(
            !step(&shop.app).await.unwrap(),
            "the lease keeps others away"
        );
        shop.clock.advance(LEASE);
        assert!(step(&shop.app).await.unwrap());
        // It was not dead, only slow: it was overtaken and writes nothing.
        let mut tx = shop.pool.begin().await.unwrap();
        let late = reconciliations::advance(
            &mut tx,
            &dead,
            dead.run.phase,
            Some("late"),
            1,
            shop.clock.now(),
        );
        assert!(!late.await.unwrap());
    }

    assert!(crashes > 12_000 / RECORDS_PER_PAGE);
    assert_eq!(shop.found(State::Open).await, planted);
    let runs = reconciliations::of_date(&shop.pool, day()).await.unwrap();
    assert_eq!((runs[0].number, runs[0].records), (1, 12_000));
}

#[sqlx::test(migrations = false)]
async fn a_provider_that_is_away_is_waited_for(pool: PgPool) {
    let shop = Harness::new(pool).await;
    shop.captured().await;
    shop.clock.advance(DAY);
    shop.sql("UPDATE sandbox.conditions SET mode = 'down'")
        .await;

    reconcile(&shop.app, Some(day())).await.unwrap();
    shop.stepped().await;
    let runs = reconciliations::of_date(&shop.pool, day()).await.unwrap();
    assert_eq!(runs[0].end_time, None);
    assert_eq!(shop.found(State::Open).await, [], "nothing is concluded");

    shop.sql("UPDATE sandbox.conditions SET mode = 'normal'")
        .await;
    assert!(!step(&shop.app).await.unwrap());
    shop.clock.advance(AWAY_PAUSE);
    shop.stepped().await;
    let runs = reconciliations::of_date(&shop.pool, day()).await.unwrap();
    assert_eq!(runs[0].records, 1);
    assert!(runs[0].end_time.is_some());
    assert_eq!(runs[0].provider, ProviderName::Sandbox);
}

#[sqlx::test(migrations = false)]
async fn staff_see_what_differs_and_close_it_with_a_reason(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let grpc = Grpc::new(shop.app.clone());
    for _ in 0..5 {
        shop.captured().await;
        shop.clock.advance(Duration::from_millis(1));
    }
    shop.sql("DELETE FROM sandbox.charges").await;
    shop.clock.advance(DAY);
    let ask = |date: &str| {
        by_staff(ReconcileRequest {
            date: date.to_owned(),
        })
    };

    let begun = grpc.reconcile(ask("")).await.unwrap().into_inner();
    assert_eq!(begun.date, "2023-11-14");
    assert!(!begun.runs[0].finished);
    shop.stepped().await;
    let done = grpc
        .get_reconciliation(by_staff(GetReconciliationRequest { date: begun.date }))
        .await
        .unwrap()
        .into_inner();
    assert!(done.runs[0].finished);
    for bad in ["2023-11-16", "2023-11-31", "yesterday"] {
        let refused = grpc.reconcile(ask(bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
    }

    let mut listed = Vec::new();
    let mut filter = ListDiscrepanciesRequest {
        state: DiscrepancyState::Open.into(),
        kind: DiscrepancyKind::MissingThere.into(),
        date: "2023-11-14".to_owned(),
        page_size: 2,
        page_token: String::new(),
    };
    loop {
        let page = grpc
            .list_discrepancies(by_staff(filter.clone()))
            .await
            .unwrap()
            .into_inner();
        listed.extend(page.discrepancies);
        filter.page_token = page.next_page_token;
        if filter.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 5);
    let first = &listed[0];
    assert_eq!(first.object(), DiscrepancyObject::Charge);
    assert_eq!(first.ours.as_ref().unwrap().state, "captured");
    assert_eq!(first.theirs, None);
    assert!(first.proposal.contains("Ask the provider"));
    for other in [
        ListDiscrepanciesRequest {
            kind: DiscrepancyKind::MissingHere.into(),
            ..filter.clone()
        },
        ListDiscrepanciesRequest {
            date: "2023-11-13".to_owned(),
            ..filter.clone()
        },
        ListDiscrepanciesRequest {
            state: DiscrepancyState::Resolved.into(),
            ..filter
        },
    ] {
        let page = grpc.list_discrepancies(by_staff(other)).await.unwrap();
        assert_eq!(page.into_inner().discrepancies, []);
    }

    let mut resolve = by_staff(ResolveDiscrepancyRequest {
        id: first.id.clone(),
        reason: "the provider has lost it and pays".to_owned(),
    });
    let staff = svc_kit::caller::Caller::of(&resolve).unwrap();
    let resolved = grpc
        .resolve_discrepancy(resolve)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(resolved.state(), DiscrepancyState::Resolved);
    assert_eq!(resolved.resolved_by, staff.account_id.to_string());
    assert_eq!(resolved.reason, "the provider has lost it and pays");
    assert!(resolved.close_time.is_some());
    // The same again changes nothing; anything else is refused.
    resolve = by_staff(ResolveDiscrepancyRequest {
        id: first.id.clone(),
        reason: resolved.reason.clone(),
    });
    resolve.extensions_mut().insert(staff);
    let again = grpc
        .resolve_discrepancy(resolve)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, resolved);
    let other = grpc
        .resolve_discrepancy(by_staff(ResolveDiscrepancyRequest {
            id: first.id.clone(),
            reason: "something else".to_owned(),
        }))
        .await
        .unwrap_err();
    assert_eq!(reason(&other), "DISCREPANCY_CLOSED");
    let unknown = grpc
        .resolve_discrepancy(by_staff(ResolveDiscrepancyRequest {
            id: Uuid::nil().to_string(),
            reason: "something else".to_owned(),
        }))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    // What was resolved stays so, though it is found again.
    shop.reconciled().await;
    assert_eq!(shop.found(State::Open).await.len(), 4);
    assert_eq!(shop.found(State::Resolved).await.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_lists_each_record_of_a_span_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    given_a_day(&shop).await;
    // Many at the same moment, so that pages end among them.
    shop.sql(
        "UPDATE sandbox.charges SET create_time = '2023-11-14 12:00Z' WHERE amount_minor < 9000",
    )
    .await;
    let sandbox = shop.app.providers.get(ProviderName::Sandbox).unwrap();
    let (from, until) = (
        "2023-11-14T00:00:00Z".parse().unwrap(),
        "2023-11-15T00:00:00Z".parse().unwrap(),
    );
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = sandbox.provider().list(from, until, after).await.unwrap();
        assert!(page.records.len() <= RECORDS_PER_PAGE);
        listed.extend(page.records);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), 12_000);
    assert!(listed.is_sorted_by_key(|record| record.time));
    let mut ids: Vec<_> = listed.iter().map(|record| record.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12_000);
    let nothing = sandbox.provider().list(until + MARGIN, until + DAY, None);
    assert_eq!(nothing.await.unwrap().records, []);
}
