//! Relays as processes of their own, the leading one of which is killed again
//! and again while events are committed.

use std::{
    collections::HashMap,
    io::Read as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use proto::souk::event::v1::OrderShipped;
use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use svc_kit::{
    Shutdown,
    clock::Clock,
    db::Db,
    outbox::Relay,
    testing::{self, outbox_subjects, server_url},
};

use crate::support::{Kit, shipped, some_order, until};

/// How often the leading relay is killed.
const KILLS: usize = 4;

/// How many events are committed between two kills, at least.
const BETWEEN: usize = 100;

/// How many aggregates they are about.
const AGGREGATES: usize = 10;

/// Where the process finds its database, and what it calls itself there.
const URL: &str = "SOUK_TEST_RELAY_DATABASE_URL";
const NAME: &str = "SOUK_TEST_RELAY_NAME";

/// A process of this test binary that runs nothing but a relay.
struct Replica {
    name: String,
    process: Child,
}

impl Replica {
    fn start(pool: &PgPool, number: usize) -> Self {
        let name = format!("relay-{number}");
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "relay_killed::a_relay_alone", "--ignored"])
            .env(URL, pool.connect_options().to_url_lossy().as_str())
            .env(NAME, &name)
            // It ends when this end does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { name, process }
    }
}

impl Drop for Replica {
    /// As kill -9 does it.
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Which process leads.
async fn leader(pool: &PgPool) -> Option<String> {
    sqlx::query_scalar(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND granted AND objid = $1::bigint::oid
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(i64::from(u32::from_be_bytes(*b"outb")))
    .fetch_optional(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn nothing_is_lost_doubled_or_out_of_order_when_the_leading_relay_is_killed(pool: PgPool) {
    let kit = Kit::new(pool.clone()).await;
    let mut reader = kit.read::<OrderShipped>();
    let orders: Vec<String> = (0..AGGREGATES).map(|_| some_order()).collect();
    let (committed, enough) = (AtomicUsize::new(0), AtomicBool::new(false));

    let load = async {
        let mut n = 0;
        while !enough.load(Ordering::Relaxed) {
            for order in &orders {
                kit.commit(&shipped(order, n)).await;
                committed.fetch_add(1, Ordering::Relaxed);
            }
            n += 1;
        }
        n
    };
    let kills = async {
        let mut replicas = vec![Replica::start(&pool, 0), Replica::start(&pool, 1)];
        for kill in 0..KILLS {
            let before = committed.load(Ordering::Relaxed);
            until("a replica leads, and events come", || async {
                committed.load(Ordering::Relaxed) >= before + BETWEEN
                    && leader(&pool).await.is_some()
            })
            .await;
            let leads = leader(&pool).await.unwrap();
            let led = replicas.len();
            replicas.retain(|replica| replica.name != leads);
            assert_eq!(replicas.len(), led - 1, "{leads} is killed");
            replicas.push(Replica::start(&pool, 2 + kill));
            until("another one leads", || async {
                leader(&pool).await.is_some_and(|now| now != leads)
            })
            .await;
        }
        enough.store(true, Ordering::Relaxed);
        replicas
    };
    let (each, _replicas) = tokio::join!(load, kills);
    until("all is published", || async {
        outbox_subjects(&kit.db).await.is_empty()
    })
    .await;

    let end = some_order();
    kit.commit(&shipped(&end, 0)).await;
    let mut next: HashMap<String, usize> = HashMap::new();
    loop {
        let event = reader
            .next(|event: &OrderShipped| event.order_id == end || orders.contains(&event.order_id))
            .await;
        if event.order_id == end {
            break;
        }
        let expected = next.entry(event.order_id).or_default();
        assert_eq!(event.tracking_code, expected.to_string(), "once, in order");
        *expected += 1;
    }
    for order in &orders {
        assert_eq!(next.get(order), Some(&each), "none is lost");
    }
}

#[tokio::test]
#[ignore = "a part of the test above, in a process of its own"]
async fn a_relay_alone() {
    let options: PgConnectOptions = server_url(URL).parse().unwrap();
    let pool = PgPoolOptions::new().connect_lazy_with(options.application_name(&server_url(NAME)));
    let relay = Relay::new(Db::from_pool(pool), testing::nats().await, Clock::system());
    let shutdown = Shutdown::new();
    let parent_is_gone = shutdown.clone();
    std::thread::spawn(move || {
        // Nobody writes anything.
        let _ = std::io::stdin().read(&mut [0]);
        parent_is_gone.stop();
    });
    relay.run(shutdown).await.unwrap();
}
