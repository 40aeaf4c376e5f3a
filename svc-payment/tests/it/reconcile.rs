//! A day of ours, compared with what the provider has on record.

mod findings;
mod runs;
mod staff;

use std::time::Duration;

use chrono::NaiveDate;
use svc_payment::{
    provider::RecordKind,
    reconcile::{reconcile, step},
    reconciliation::{Kind, State},
    store::{
        discrepancies::{self, Filter},
        reconciliations,
    },
};
use uuid::Uuid;

use crate::harness::Harness;

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Payments of the day that is compared.
const PAYMENTS: i32 = 10_000;

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
