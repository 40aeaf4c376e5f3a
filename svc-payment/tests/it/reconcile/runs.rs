//! How a day is compared: once, by whoever is there, to the end.

use chrono::NaiveDate;
use sqlx::PgPool;
use svc_kit::job::{Job as _, Progress};
use svc_payment::{
    jobs::ReconcileDays,
    provider::{ProviderName, RECORDS_PER_PAGE},
    reconcile::{AWAY_PAUSE, reconcile, step},
    reconciliation::{CATCH_UP_DAYS, MARGIN, State},
    store::{LEASE, reconciliations},
};

use super::{DAY, day, given_a_day, plant};
use crate::harness::Harness;

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
