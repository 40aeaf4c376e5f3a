//! Several edges, and purges that must reach each of them, whatever happens
//! to NATS in between.

use std::{sync::Arc, time::Duration};

use proto::souk::{
    catalog::v1::catalog_service_client::CatalogServiceClient,
    event::v1::{ProductChanged, PurgeRequested},
};
use svc_kit::{clock::Clock, testing::nats_server::NatsServer};
use tokio::{
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tonic::transport::Channel;

use crate::support::{
    Harness, PATIENCE, free_address,
    nats::{Cable, publish, publish_to},
    product_id, read,
    services::Shop,
    until,
};

/// Purges whose way is measured.
const PURGES: usize = 200;
/// What the fleet is meant to keep to; printed, not asserted.
const P99: Duration = Duration::from_millis(250);
/// How long an edge is cut off.
const CUT: Duration = Duration::from_secs(30);
/// Purges that an edge misses in that time.
const MISSED: u32 = 30;

fn changed(id: &str) -> ProductChanged {
    ProductChanged {
        product_id: id.to_owned(),
        version: 2,
        tags: vec![format!("product:{id}")],
    }
}

fn unlimited<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [flags, &["--rate-read-per-minute", "1000000"]].concat()
}

async fn fleet(size: usize) -> Vec<Arc<Harness>> {
    let shop = Shop::start().await;
    let mut edges = Vec::new();
    for _ in 0..size {
        let edge = Harness::build_over(&unlimited(&[]), Arc::clone(&shop)).await;
        until("purges are heard", async || edge.has_caught_up().await).await;
        edges.push(Arc::new(edge));
    }
    edges
}

/// Reads until the answer is the new one; when that was.
async fn serves_new(mut catalog: CatalogServiceClient<Channel>, id: String) -> Instant {
    let waiting = async {
        while read(&mut catalog, &id).await.0.title != "new" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the purge comes");
    Instant::now()
}

#[tokio::test]
async fn a_purge_reaches_every_edge() {
    let edges = fleet(3).await;
    let mut catalogs = Vec::new();
    for edge in &edges {
        catalogs.push(edge.catalog().await);
    }
    let mut delays = Vec::new();
    for _ in 0..PURGES {
        let id = product_id();
        edges[0].shop.set_title(&id, "old");
        for catalog in &mut catalogs {
            read(catalog, &id).await;
            let (product, status) = read(catalog, &id).await;
            assert!(product.title == "old" && status.starts_with("souk; hit"));
        }
        edges[0].shop.set_title(&id, "new");
        let published = Instant::now();
        publish(&changed(&id)).await;
        let mut waiting = JoinSet::new();
        for catalog in &catalogs {
            waiting.spawn(serves_new(catalog.clone(), id.clone()));
        }
        let served = waiting.join_all().await;
        delays.push(served.into_iter().max().unwrap() - published);
        for catalog in &mut catalogs {
            assert_eq!(read(catalog, &id).await.0.title, "new");
        }
    }
    delays.sort_unstable();
    let (p50, p99) = (delays[PURGES / 2], delays[PURGES * 99 / 100]);
    println!(
        "{PURGES} purges, from publication until none of 3 edges serves the old answer: \
         p50 {p50:?}, p99 {p99:?} ({} {P99:?})",
        if p99 < P99 { "below" } else { "NOT below" },
    );
}

#[tokio::test]
async fn an_edge_that_was_cut_off_serves_nothing_that_was_purged_and_keeps_the_rest() {
    let cable = Cable::lay().await;
    let nats = cable.url();
    let edge = Harness::with(&unlimited(&["--nats-url", &nats])).await;
    until("purges are heard", async || edge.has_caught_up().await).await;
    let mut catalog = edge.catalog().await;
    let purged: Vec<String> = (0..MISSED).map(|_| product_id()).collect();
    let kept: Vec<String> = (0..MISSED).map(|_| product_id()).collect();
    for id in purged.iter().chain(&kept) {
        edge.shop.set_title(id, "old");
        read(&mut catalog, id).await;
    }

    cable.cut();
    until("it hears nothing", async || !edge.has_caught_up().await).await;
    let mut pace = interval(CUT / MISSED);
    for id in &purged {
        pace.tick().await;
        edge.shop.set_title(id, "new");
        publish(&changed(id)).await;
    }
    assert!(!edge.has_caught_up().await);
    cable.mend();
    until("it has caught up", async || edge.has_caught_up().await).await;

    for id in &purged {
        let (product, status) = read(&mut catalog, id).await;
        assert_eq!(product.title, "new", "{status}");
    }
    for id in &kept {
        let (product, status) = read(&mut catalog, id).await;
        assert!(status.starts_with("souk; hit"), "{status}");
        assert_eq!(product.title, "old");
        assert_eq!(edge.shop.calls(id), 1);
    }
}

#[tokio::test]
async fn an_edge_whose_nats_came_back_empty_lets_go_of_all() {
    let (folder, anew) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = free_address();
    let server = NatsServer::start(address, folder.path());
    let nats = server.url();
    let edge = Harness::with(&unlimited(&["--nats-url", &nats])).await;
    until("purges are heard", async || edge.has_caught_up().await).await;
    let mut catalog = edge.catalog().await;
    let (changing, other) = (product_id(), product_id());
    read(&mut catalog, &changing).await;
    publish_to(&server, &changed(&changing)).await;
    until("the change is heard", async || {
        read(&mut edge.catalog().await, &changing).await;
        edge.shop.calls(&changing) > 1
    })
    .await;
    read(&mut catalog, &other).await;

    // With its streams it comes back as if nothing had been.
    server.kill();
    until("it hears nothing", async || !edge.has_caught_up().await).await;
    let server = NatsServer::start(address, folder.path());
    until("it has caught up", async || edge.has_caught_up().await).await;
    let (_, status) = read(&mut catalog, &other).await;
    assert!(status.starts_with("souk; hit"), "{status}");

    // Without them nobody can say what was purged.
    server.kill();
    until("it hears nothing", async || !edge.has_caught_up().await).await;
    let server = NatsServer::start(address, anew.path());
    until("it has caught up", async || edge.has_caught_up().await).await;
    let (_, status) = read(&mut catalog, &other).await;
    assert_eq!(status, "souk; fwd=miss; stored");
    edge.shop.set_title(&other, "new");
    publish_to(&server, &changed(&other)).await;
    until("changes are heard again", async || {
        read(&mut edge.catalog().await, &other).await.0.title == "new"
    })
    .await;
}

#[tokio::test]
async fn an_edge_without_nats_is_not_ready_before_it_knows_which_sessions_ended() {
    let cable = Cable::lay().await;
    cable.cut();
    let nats = cable.url();
    let edge = Harness::launch(&["--nats-url", &nats], Clock::system(), Shop::start().await).await;
    until("it is up", async || {
        edge.is_reported("listeners", "ok").await
    })
    .await;
    assert!(
        edge.is_reported("revocations", "ended sessions are not all known yet")
            .await
    );
    assert_eq!(edge.admin("/readyz").await.status, 503);
    // It answers all the same, for those who ask it.
    let (_, status) = read(&mut edge.catalog().await, &product_id()).await;
    assert_eq!(status, "souk; fwd=miss; stored");
    cable.mend();
    until("it is ready", async || {
        edge.admin("/readyz").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_purge_by_hand_reaches_the_whole_fleet_hard_or_soft() {
    let edges = fleet(2).await;
    for soft in [false, true] {
        let id = product_id();
        edges[0].shop.set_title(&id, "old");
        for edge in &edges {
            read(&mut edge.catalog().await, &id).await;
        }
        edges[0].shop.set_title(&id, "new");
        let purge = serde_json::json!({ "tags": [format!("product:{id}")], "soft": soft });
        let answer = edges[0].order_admin("/cache/purge", purge).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        for edge in &edges {
            let mut seen = Vec::new();
            let mut catalog = edge.catalog().await;
            let fresh = async {
                loop {
                    let (product, status) = read(&mut catalog, &id).await;
                    let is_new = product.title == "new";
                    seen.push((product.title, status));
                    if is_new {
                        return;
                    }
                }
            };
            timeout(PATIENCE, fresh).await.unwrap();
            // Served once more, stale, while a fresh one was fetched; or not.
            let stale = ("old".to_owned(), "souk; hit; ttl=-1".to_owned());
            assert_eq!(seen.contains(&stale), soft, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_in_flight_at_a_purge_by_hand_is_not_kept() {
    let edges = fleet(1).await;
    let edge = &edges[0];
    for soft in [false, true] {
        let (id, marker) = (format!("gated-{}", product_id()), product_id());
        edge.shop.set_title(&id, "old");
        let mut catalog = edge.catalog().await;
        read(&mut catalog, &marker).await;
        let first = tokio::spawn({
            let (mut catalog, id) = (catalog.clone(), id.clone());
            async move { read(&mut catalog, &id).await }
        });
        until("the service is asked", async || edge.shop.calls(&id) == 1).await;
        edge.shop.set_title(&id, "new");
        publish(&PurgeRequested {
            purge_id: product_id(),
            tags: vec![format!("product:{id}")],
            soft,
        })
        .await;
        // After it in the same stream: when this has come, so has the first.
        publish(&PurgeRequested {
            purge_id: product_id(),
            tags: vec![format!("product:{marker}")],
            soft: false,
        })
        .await;
        until("the purges have come", async || {
            read(&mut edge.catalog().await, &marker).await;
            edge.shop.calls(&marker) > 1
        })
        .await;
        edge.shop.gate.add_permits(2);
        let (product, status) = first.await.unwrap();
        assert_eq!(
            (product.title.as_str(), status.as_str()),
            ("old", "souk; fwd=miss"),
            "not stored"
        );
        assert_eq!(read(&mut catalog, &id).await.0.title, "new");
    }
}
