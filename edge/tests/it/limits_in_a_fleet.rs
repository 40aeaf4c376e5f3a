//! Several edges, one count; and what becomes of it while Redis is away.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use edge::limit::rate::Rate;
use http::Request;
use http_body_util::Full;
use proto::souk::{
    catalog::v1::GetProductRequest, identity::v1::LogInRequest, order::v1::GetCartRequest,
};
use svc_kit::clock::Clock;
use tokio::{task::JoinSet, time::Instant};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::support::{
    Harness, free_address,
    grpc_web::{GrpcWeb, WebAnswer},
    product_id,
    redis::Redis,
    send,
    services::Shop,
    tokens::customer,
    until,
};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";
const GET_CART: &str = "/souk.order.v1.OrderService/GetCart";
const LOG_IN: &str = "/souk.identity.v1.IdentityService/LogIn";
const JWKS: &str = "/.well-known/jwks.json";

/// Edges of one fleet that believe what the tests say of addresses. They wait
/// for a Redis that has a busy machine for longer than an edge of a shop would.
async fn fleet(size: u64, redis: &Redis, flags: &[&str]) -> Vec<Harness> {
    let (name, url) = (product_id(), redis.url());
    let mut all = vec!["--fleet", &name, "--redis-url", &url];
    all.extend(["--trusted-proxies", "127.0.0.1"]);
    if !flags.contains(&"--rate-redis-timeout-ms") {
        all.extend(["--rate-redis-timeout-ms", "2000"]);
    }
    all.extend(flags);
    let mut edges = Vec::new();
    for _ in 0..size {
        edges.push(Harness::with(&all).await);
    }
    until("the edges know of each other", async || {
        edges.iter().all(|edge| edge.limits.edges() == Some(size))
    })
    .await;
    assert!(edges.iter().all(|edge| !edge.limits.is_alone()));
    edges
}

/// A plain request from an address; its HTTP status.
async fn get_from(edge: &Harness, address: &str) -> u16 {
    let request = Request::get(format!("http://{}{JWKS}", edge.edge))
        .header("x-forwarded-for", address)
        .body(Full::default())
        .unwrap();
    send(request).await.unwrap().status
}

/// Asks all edges in turn; how many let it through.
async fn let_through(edges: &[Harness], times: usize, address: &str) -> u64 {
    let mut count = 0;
    for n in 0..times {
        match get_from(&edges[n % edges.len()], address).await {
            200 => count += 1,
            status => assert_eq!(status, 429),
        }
    }
    count
}

/// A customer's call.
async fn cart(edge: &Harness, address: &str, token: &str) -> WebAnswer {
    edge.web()
        .with("x-forwarded-for", address)
        .with("authorization", &format!("Bearer {token}"))
        .call(GET_CART, &GetCartRequest {})
        .await
}

fn reason(answer: &WebAnswer) -> String {
    let status = Status::from_header_map(&answer.headers).unwrap();
    status.get_details_error_info().unwrap().reason
}

/// What a rate lets through in a time, from a full bucket.
fn allowed(per_minute: u32, burst: u64, begun: Instant) -> f64 {
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    f64::from(u32::try_from(burst).unwrap()) + f64::from(per_minute) * minutes
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn float(count: u64) -> f64 {
    count as f64
}

#[tokio::test]
async fn three_edges_count_as_one() {
    let redis = Redis::start().await;
    let edges = fleet(3, &redis, &["--rate-read-per-minute", "12"]).await;
    let begun = Instant::now();
    let count = let_through(&edges, 45, "1.1.1.1").await;
    assert!(count >= 10, "the burst: {count}");
    assert!(float(count) <= allowed(12, 10, begun), "{count}");
    assert!(let_through(&edges, 3, "2.2.2.2").await == 3, "others go on");
}

#[tokio::test]
async fn most_requests_of_a_busy_caller_cost_no_round_trip() {
    let redis = Redis::start().await;
    let flags = ["--rate-read-per-minute", "6000"];
    let edges = fleet(2, &redis, &flags).await;
    let (per_minute, burst) = (6000, 1500);
    let before = redis.calls().await;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for n in 0..8 {
        let web = edges[n % 2].web();
        callers.spawn(async move {
            let mut count = 0;
            for _ in 0..250 {
                count += u64::from(get_product(&web).await);
            }
            count
        });
    }
    let count: u64 = callers.join_all().await.iter().sum();
    assert!(float(count) <= allowed(per_minute, burst, begun), "{count}");
    // What lies in leases is all that may be missing.
    assert!(count >= burst - burst / 16, "{count}");
    let calls = redis.calls().await - before;
    assert!(calls < 2000 / 4, "{calls} round trips for 2000 requests");
}

/// A read that the cache answers, but for the first; whether it was let through.
async fn get_product(web: &GrpcWeb) -> bool {
    let request = GetProductRequest {
        id: "product".to_owned(),
    };
    let answer = web.call(GET_PRODUCT, &request).await;
    match answer.grpc_status {
        Some(0) => true,
        Some(8) => {
            assert_eq!(reason(&answer), "RATE_LIMITED");
            false
        }
        other => panic!("neither answered nor refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_account_is_limited_whatever_address_it_comes_from() {
    let redis = Redis::start().await;
    let flags = [
        "--rate-read-per-minute",
        "0",
        "--rate-account-read-per-minute",
        "4",
    ];
    let edges = fleet(2, &redis, &flags).await;
    let token = customer(&edges[0].clock);
    let mut answered = 0;
    for n in 0..12 {
        let answer = cart(&edges[n % 2], &format!("1.1.1.{n}"), &token).await;
        if answer.grpc_status == Some(0) {
            answered += 1;
        } else {
            assert_eq!(reason(&answer), "RATE_LIMITED");
        }
    }
    assert_eq!(answered, 4);
    let other = customer(&edges[0].clock);
    let answer = cart(&edges[0], "1.1.1.1", &other).await;
    assert_eq!(answer.grpc_status, Some(0), "others go on");
}

#[tokio::test]
async fn an_address_is_limited_whatever_accounts_it_uses() {
    let redis = Redis::start().await;
    let flags = ["--rate-read-per-minute", "4"];
    let edges = fleet(2, &redis, &flags).await;
    let mut answered = 0;
    for n in 0..12 {
        let token = customer(&edges[0].clock);
        let answer = cart(&edges[n % 2], "1.1.1.1", &token).await;
        answered += u32::from(answer.grpc_status == Some(0));
    }
    assert_eq!(answered, 4);
    let token = customer(&edges[0].clock);
    let answer = cart(&edges[0], "2.2.2.2", &token).await;
    assert_eq!(answer.grpc_status, Some(0), "others go on");
}

#[tokio::test]
async fn a_refusal_for_the_account_costs_the_address_nothing() {
    let redis = Redis::start().await;
    let flags = [
        "--rate-read-per-minute",
        "6",
        "--rate-account-read-per-minute",
        "2",
    ];
    let edges = fleet(2, &redis, &flags).await;
    let token = customer(&edges[0].clock);
    let mut answered = 0;
    for n in 0..10 {
        let answer = cart(&edges[n % 2], "1.1.1.1", &token).await;
        answered += u32::from(answer.grpc_status == Some(0));
    }
    assert_eq!(answered, 2);
    assert_eq!(let_through(&edges, 8, "1.1.1.1").await, 4);
}

#[tokio::test]
async fn false_tokens_count_against_the_address() {
    let redis = Redis::start().await;
    let edges = fleet(1, &redis, &["--rate-read-per-minute", "3"]).await;
    for _ in 0..3 {
        let answer = cart(&edges[0], "1.1.1.1", "false").await;
        assert_eq!(reason(&answer), "TOKEN_INVALID");
    }
    let answer = cart(&edges[0], "1.1.1.1", "false").await;
    assert_eq!(reason(&answer), "RATE_LIMITED");
}

/// Callers of one address who never stop.
struct Load {
    answered: Arc<AtomicU64>,
    let_through: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
    begun: Instant,
}

impl Load {
    fn begin(edges: &[Harness]) -> Self {
        let mut load = Self {
            answered: Arc::default(),
            let_through: Arc::default(),
            stop: Arc::default(),
            callers: JoinSet::new(),
            begun: Instant::now(),
        };
        for edge in edges.iter().chain(edges) {
            let web = edge.web().with("x-forwarded-for", "1.1.1.1");
            let answered = Arc::clone(&load.answered);
            let let_through = Arc::clone(&load.let_through);
            let stop = Arc::clone(&load.stop);
            load.callers.spawn(async move {
                while !stop.load(SeqCst) {
                    // It panics when a request fails.
                    let_through.fetch_add(u64::from(get_product(&web).await), SeqCst);
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        load
    }

    /// Goes on until so many more are answered.
    async fn go_on(&self, more: u64) {
        let goal = self.answered.load(SeqCst) + more;
        until("the callers are answered", async || {
            self.answered.load(SeqCst) >= goal
        })
        .await;
    }

    fn within(&self, times: f64, per_minute: u32, burst: u64) {
        let count = self.let_through.load(SeqCst);
        let limit = allowed(per_minute, burst, self.begun);
        assert!(float(count) <= times * limit, "{count}, limit {limit}");
    }

    async fn end(mut self) {
        self.stop.store(true, SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_killed_and_comes_back_no_request_fails_and_the_limit_holds() {
    let redis = Redis::start().await;
    let (per_minute, burst) = (600, 150);
    let flags = ["--rate-read-per-minute", "600"];
    let edges = fleet(3, &redis, &flags).await;
    let load = Load::begin(&edges);
    load.go_on(600).await;
    load.within(1.0, per_minute, burst);
    assert!(load.let_through.load(SeqCst) >= burst - burst / 16);

    redis.kill();
    until("all edges know", async || {
        edges.iter().all(|edge| edge.limits.is_alone())
    })
    .await;
    load.go_on(1500).await;
    load.within(1.5, per_minute, burst);

    redis.start_again().await;
    until("all edges count together again", async || {
        edges.iter().all(|edge| !edge.limits.is_alone())
    })
    .await;
    load.go_on(1500).await;
    load.within(1.5, per_minute, burst);
    load.end().await;
}

#[tokio::test]
async fn when_redis_is_back_the_fleet_counts_as_one_again() {
    let redis = Redis::start().await;
    let edges = fleet(3, &redis, &["--rate-read-per-minute", "12"]).await;
    redis.kill();
    until("all edges know", async || {
        edges.iter().all(|edge| edge.limits.is_alone())
    })
    .await;
    assert_eq!(get_from(&edges[0], "1.1.1.1").await, 200);
    redis.start_again().await;
    until("all edges count together again", async || {
        edges.iter().all(|edge| !edge.limits.is_alone())
    })
    .await;
    let begun = Instant::now();
    let count = let_through(&edges, 30, "2.2.2.2").await;
    let spare = Rate::per_minute(12.try_into().unwrap(), 15).spare();
    // What flowed off since the first edge was back, as well.
    assert!(count >= spare, "{count}");
    assert!(float(count) <= allowed(12, spare + 1, begun), "{count}");
}

#[tokio::test]
async fn a_redis_that_hangs_costs_one_timeout() {
    let redis = Redis::start().await;
    let timeout = Duration::from_secs(1);
    let flags = ["--rate-redis-timeout-ms", "1000"];
    let edges = fleet(1, &redis, &flags).await;
    assert_eq!(get_from(&edges[0], "1.1.1.1").await, 200);
    redis.hold();
    let begun = Instant::now();
    for n in 0..20 {
        // Nobody knows these: each would have to ask.
        assert_eq!(get_from(&edges[0], &format!("2.2.2.{n}")).await, 200);
    }
    let took = begun.elapsed();
    until("the edge counts alone", async || edges[0].limits.is_alone()).await;
    assert!(
        took < 10 * timeout,
        "half of what each would cost: {took:?}"
    );
    redis.let_go();
    until("the edge counts in Redis again", async || {
        !edges[0].limits.is_alone()
    })
    .await;
}

#[tokio::test]
async fn without_redis_each_edge_counts_its_share() {
    let redis = Redis::start().await;
    let edges = fleet(3, &redis, &["--rate-read-per-minute", "240"]).await;
    let (per_minute, burst) = (240, 60);
    redis.kill();
    until("all edges know", async || {
        edges.iter().all(|edge| edge.limits.is_alone())
    })
    .await;
    let begun = Instant::now();
    let count = let_through(&edges, 120, "1.1.1.1").await;
    // A fifth of the burst, since nobody knows what was counted before.
    assert!(count >= burst / 5, "{count}");
    assert!(
        float(count) <= allowed(per_minute, burst / 5 + 3, begun),
        "{count}"
    );
}

#[tokio::test]
async fn when_nothing_is_known_each_class_does_what_was_chosen() {
    let nowhere = free_address();
    let (redis, nats) = (format!("redis://{nowhere}"), format!("nats://{nowhere}"));
    let flags = [
        "--redis-url",
        &redis,
        "--nats-url",
        &nats,
        "--rate-read-per-minute",
        "20",
        "--rate-unknown-write",
        "allow",
        "--rate-write-per-minute",
        "1",
    ];
    let edge = Harness::launch(&flags, Clock::system(), Shop::start().await).await;
    until(
        "the edge has given up waiting for Redis and NATS",
        async || {
            edge.is_reported("limits", "ok").await && edge.is_reported("listeners", "ok").await
        },
    )
    .await;
    assert!(edge.limits.is_alone() && edge.limits.edges().is_none());
    let answer = edge.web().call(LOG_IN, &LogInRequest::default()).await;
    assert_eq!(reason(&answer), "LIMITS_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), "1");
    let edges = [edge];
    let count = let_through(&edges, 20, "127.0.0.1").await;
    assert!(
        (2..=10).contains(&count),
        "as if it were the only one: {count}"
    );
    for _ in 0..3 {
        let answer = edges[0]
            .web()
            .with(
                "authorization",
                &format!("Bearer {}", customer(&edges[0].clock)),
            )
            .call(
                "/souk.order.v1.OrderService/PlaceOrder",
                &proto::souk::order::v1::PlaceOrderRequest::default(),
            )
            .await;
        assert_eq!(answer.grpc_status, Some(0));
    }
}

#[tokio::test]
async fn a_limit_in_the_shadow_counts_and_refuses_nobody() {
    let redis = Redis::start().await;
    let flags = [
        "--rate-read-per-minute",
        "3",
        "--rate-shadow",
        "read,search",
    ];
    let edges = fleet(2, &redis, &flags).await;
    assert_eq!(let_through(&edges, 9, "1.1.1.1").await, 9);
    let metrics = edges[0].metrics().await;
    let shadow = metrics.lines().find(|line| {
        line.starts_with("edge_rate_decisions_total{class=\"read\"")
            && line.contains("outcome=\"shadow\"")
    });
    assert!(shadow.is_some(), "what it would refuse is counted");
    let answer = edges[0].http("GET", JWKS).await;
    assert!(answer.header("ratelimit").is_empty(), "nobody is told");
}
