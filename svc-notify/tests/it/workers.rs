use std::time::Duration;

use sqlx::PgPool;
use svc_kit::{Shutdown, job};
use svc_notify::{delivery::Status, jobs::SendQueued, store::wake};
use tokio::task::JoinSet;

use crate::harness::{Harness, PATIENCE, directory};

/// Longer than the test may take: only a commit can wake the workers.
const NEVER: Duration = Duration::from_hours(1);

#[sqlx::test(migrations = false)]
async fn a_commit_wakes_the_workers_at_once(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let shutdown = Shutdown::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(wake::run(
        shop.app.db.clone(),
        shop.app.due.clone(),
        shutdown.clone(),
    ));
    let send = SendQueued::new(shop.app.clone());
    for _ in 0..2 {
        tasks.spawn(job::run(
            send.clone(),
            NEVER,
            Some(shop.app.due.clone()),
            shutdown.clone(),
        ));
    }
    listening(&shop).await;

    let ana = shop.ana().await;
    shop.until(&ana, Status::Sent).await;

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
               AND query ILIKE 'LISTEN%deliveries_due%'",
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
