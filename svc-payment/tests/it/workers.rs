use std::time::Duration;

use sqlx::PgPool;
use svc_kit::{Shutdown, job};
use svc_payment::{
    jobs::{ChargeRequested, RefundCaptured},
    payment::Status,
    store::wake,
};
use tokio::task::JoinSet;

use crate::harness::{Harness, PATIENCE};

/// Longer than the test may take: only a commit can wake the workers.
const NEVER: Duration = Duration::from_hours(1);

#[sqlx::test(migrations = false)]
async fn a_commit_wakes_the_workers_at_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let shutdown = Shutdown::new();
    let due = shop.app.due.clone();
    let mut tasks = JoinSet::new();
    let workers = vec![due.charges.clone(), due.refunds.clone()];
    tasks.spawn(wake::run(shop.app.db.clone(), workers, shutdown.clone()));
    let charge = ChargeRequested::new(shop.app.clone());
    for _ in 0..3 {
        tasks.spawn(job::run(
            charge.clone(),
            NEVER,
            Some(due.charges.clone()),
            shutdown.clone(),
        ));
    }
    let worker = RefundCaptured {
        app: shop.app.clone(),
    };
    tasks.spawn(job::run(
        worker,
        NEVER,
        Some(due.refunds.clone()),
        shutdown.clone(),
    ));
    listening(&shop).await;

    let request = shop.requested("tok_ok").await;
    shop.until(&request, Status::Captured).await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.until(&request, Status::Refunded).await;

    shutdown.stop();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
}

/// Waits until somebody listens for commits.
async fn listening(shop: &Harness) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let listeners: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle'
               AND query ILIKE 'LISTEN%payment_due%'",
        )
        .fetch_one(&shop.pool)
        .await
        .unwrap();
        if listeners > 0 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "nobody listens");
        tokio::task::yield_now().await;
    }
}
