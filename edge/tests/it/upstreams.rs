//! Several instances of a service: who is asked, who is left alone, what is
//! tried again, and what remains when all are away.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use clap::Parser as _;
use edge::Config;
use proto::souk::{
    catalog::v1::{BatchGetProductsRequest, GetProductRequest},
    identity::v1::LogInRequest,
    order::v1::{GetCartRequest, PlaceOrderRequest},
};
use serde_json::Value;
use svc_kit::clock::Clock;
use tokio::{task::JoinSet, time::Instant};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{
    Harness,
    dns::NameServer,
    free_address, product_id, read,
    services::Shop,
    tokens::{bearing, customer},
    until,
};

/// No limit on rates, and health checks that are too rare to matter.
const UNLIMITED: [&str; 6] = [
    "--rate-read-per-minute",
    "1000000",
    "--rate-auth-per-minute",
    "1000000",
    "--health-interval-ms",
    "3600000",
];
/// The same, with checks that come often.
const CHECKED: [&str; 6] = [
    "--rate-read-per-minute",
    "1000000",
    "--rate-auth-per-minute",
    "1000000",
    "--health-interval-ms",
    "50",
];

/// An edge before several instances of svc-catalog and svc-identity. The other
/// services are played by a shop of their own.
struct Fleet {
    edge: Harness,
    shops: Vec<Arc<Shop>>,
}

impl Fleet {
    async fn start(count: usize, flags: &[&str]) -> Self {
        Self::build(count, flags, Clock::system()).await
    }

    async fn build(count: usize, flags: &[&str], clock: Clock) -> Self {
        let mut shops = Vec::new();
        for _ in 0..count {
            shops.push(Shop::start_at(free_address()).await);
        }
        let urls: Vec<_> = shops.iter().map(|shop| shop.url()).collect();
        let urls = urls.join(",");
        let mut all = vec!["--catalog-url", &urls, "--identity-url", &urls];
        all.extend(flags);
        let edge = Harness::build(&all, clock, Shop::start().await).await;
        Self { edge, shops }
    }

    fn calls(&self, what: &str) -> Vec<usize> {
        self.shops.iter().map(|shop| shop.calls(what)).collect()
    }

    async fn state_of(&self, shop: &Shop) -> Value {
        instance(&self.edge, "catalog", shop.address)
            .await
            .expect("an instance of svc-catalog")
    }

    async fn is_usable(&self, shop: &Shop) -> bool {
        let state = self.state_of(shop).await;
        state["healthy"] == true && state["ejected_until"].is_null()
    }
}

async fn service(edge: &Harness, name: &str) -> Value {
    let url = format!("http://{}/upstreams", edge.admin);
    let report = edge.get(&url).await.unwrap().json();
    let services = report["services"].as_array().unwrap();
    let service = services.iter().find(|service| service["service"] == name);
    service.unwrap().clone()
}

async fn instance(edge: &Harness, name: &str, address: SocketAddr) -> Option<Value> {
    let service = service(edge, name).await;
    let mut instances = service["instances"].as_array().unwrap().iter();
    let address = address.to_string();
    instances
        .find(|instance| instance["address"] == address)
        .cloned()
}

/// Callers that call without a pause.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    bad: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    /// Each caller has a connection of its own. `call` says how it ended.
    async fn of<F>(
        edge: &Harness,
        callers: usize,
        call: impl Fn(tonic::transport::Channel) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send,
    {
        let mut load = Self {
            stop: Arc::default(),
            good: Arc::default(),
            bad: Arc::default(),
            callers: JoinSet::new(),
        };
        for _ in 0..callers {
            let channel = edge.channel().await;
            let call = call.clone();
            let (stop, good, bad) = (load.stop.clone(), load.good.clone(), load.bad.clone());
            load.callers.spawn(async move {
                while !stop.load(SeqCst) {
                    let counter = match call(channel.clone()).await {
                        Ok(()) => &good,
                        Err(_) => &bad,
                    };
                    counter.fetch_add(1, SeqCst);
                }
            });
        }
        load
    }

    /// Reads that are not cached and change nothing.
    async fn of_reads(edge: &Harness, callers: usize) -> Self {
        Self::of(edge, callers, async |channel| batch(channel).await).await
    }

    /// Calls that change something.
    async fn of_writes(edge: &Harness, callers: usize) -> Self {
        Self::of(edge, callers, async |channel| log_in(channel, "").await).await
    }

    async fn until_more(&self, calls: usize) {
        let before = self.good.load(SeqCst);
        until("more calls are answered", async || {
            self.good.load(SeqCst) >= before + calls
        })
        .await;
    }

    /// How many were not answered.
    async fn end(self) -> usize {
        self.stop.store(true, SeqCst);
        self.callers.join_all().await;
        self.bad.load(SeqCst)
    }
}

async fn batch(channel: tonic::transport::Channel) -> Result<(), Status> {
    batch_within(None, channel).await
}

async fn batch_within(
    patience: Option<Duration>,
    channel: tonic::transport::Channel,
) -> Result<(), Status> {
    let mut catalog =
        proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient::new(channel);
    let mut request = Request::new(BatchGetProductsRequest::default());
    if let Some(patience) = patience {
        request.set_timeout(patience);
    }
    catalog.batch_get_products(request).await.map(drop)
}

async fn log_in(channel: tonic::transport::Channel, email: &str) -> Result<(), Status> {
    let mut identity =
        proto::souk::identity::v1::identity_service_client::IdentityServiceClient::new(channel);
    let request = LogInRequest {
        email: email.to_owned(),
        ..LogInRequest::default()
    };
    identity.log_in(request).await.map(drop)
}

#[tokio::test]
async fn load_is_spread_and_a_slow_instance_gets_much_less() {
    let fleet = Fleet::start(3, &UNLIMITED).await;
    let load = Load::of_reads(&fleet.edge, 12).await;
    until("each has its share", async || {
        fleet.calls("batch").iter().all(|calls| *calls >= 100)
    })
    .await;

    let slow = &fleet.shops[2];
    slow.delay_ms.store(500, SeqCst);
    load.until_more(300).await; // it is found out
    let before = fleet.calls("batch");
    load.until_more(300).await;
    let after = fleet.calls("batch");
    let more: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
    assert!(more[2] * 10 < more[0] + more[1], "{more:?}");
    let state = fleet.state_of(slow).await;
    assert!(state["ewma_ms"].as_f64().unwrap() > 50.0, "{state}");
    assert_eq!(load.end().await, 0);
}

#[tokio::test]
async fn an_instance_killed_under_load_costs_no_read_and_is_taken_back_when_it_returns() {
    const WRITERS: usize = 4;
    let fleet = Fleet::start(3, &UNLIMITED).await;
    let reads = Load::of_reads(&fleet.edge, 8).await;
    let writes = Load::of_writes(&fleet.edge, WRITERS).await;
    reads.until_more(100).await;
    writes.until_more(100).await;

    let victim = &fleet.shops[1];
    victim.crash();
    until("it is left alone", async || !fleet.is_usable(victim).await).await;
    reads.until_more(200).await;
    writes.until_more(200).await;

    let back = Shop::start_at(victim.address).await;
    until("it is asked again", async || {
        back.calls("batch") > 50 && fleet.is_usable(&back).await
    })
    .await;
    assert_eq!(reads.end().await, 0);
    let lost = writes.end().await;
    // Those that were under way when it died, and no others.
    assert!(lost <= WRITERS, "{lost}");
    let metrics = fleet.edge.metrics().await;
    assert!(metrics.contains("edge_upstream_ejections_total{service=\"catalog\"}"));
    let repeats = "edge_upstream_repeats_total{outcome=\"repeated\",service=\"catalog\"}";
    assert!(metrics.contains(repeats));
}

#[tokio::test]
async fn an_instance_that_hangs_is_left_alone() {
    const READERS: usize = 16;
    for flags in [UNLIMITED, CHECKED] {
        let fleet = Fleet::start(2, &flags).await;
        let patience = Some(Duration::from_millis(1500));
        let reads = Load::of(&fleet.edge, READERS, move |channel| {
            batch_within(patience, channel)
        })
        .await;
        reads.until_more(200).await;
        let hanging = &fleet.shops[0];
        hanging.hanging.send_replace(true);
        until("it is left alone", async || !fleet.is_usable(hanging).await).await;
        reads.until_more(200).await;
        hanging.hanging.send_replace(false);
        let before = hanging.calls("batch");
        until("it is asked again", async || {
            hanging.calls("batch") > before + 50
        })
        .await;
        let lost = reads.end().await;
        // Those that it had, and one try after each pause.
        assert!((1..2 * READERS).contains(&lost), "{lost}");
    }
}

#[tokio::test]
async fn an_instance_that_says_that_it_is_not_well_is_not_asked_until_it_is() {
    let fleet = Fleet::start(2, &CHECKED).await;
    let sick = &fleet.shops[0];
    sick.health
        .set_service_status("", tonic_health::ServingStatus::NotServing)
        .await;
    until("it is seen", async || !fleet.is_usable(sick).await).await;
    let state = fleet.state_of(sick).await;
    assert_eq!(state["healthy"], false);
    let before = sick.calls("batch");
    for _ in 0..50 {
        batch(fleet.edge.channel().await).await.unwrap();
    }
    assert_eq!(sick.calls("batch"), before);

    sick.health
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    until("it is asked again", async || {
        batch(fleet.edge.channel().await).await.unwrap();
        sick.calls("batch") > before
    })
    .await;
    until("it is counted", async || {
        let usable = "edge_upstream_instances{service=\"catalog\",state=\"usable\"}";
        fleet.edge.metrics().await.contains(usable)
    })
    .await;
}

#[tokio::test]
async fn when_all_say_that_they_are_not_well_all_are_asked() {
    let fleet = Fleet::start(2, &CHECKED).await;
    for shop in &fleet.shops {
        shop.health
            .set_service_status("", tonic_health::ServingStatus::NotServing)
            .await;
    }
    for shop in &fleet.shops {
        until("it is seen", async || !fleet.is_usable(shop).await).await;
    }
    until("both are asked", async || {
        batch(fleet.edge.channel().await).await.unwrap();
        fleet.calls("batch").iter().all(|calls| *calls > 0)
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_away_takes_only_itself_away() {
    let clock = Clock::manual(Clock::system().now());
    let fleet = Fleet::build(2, &UNLIMITED, clock).await;
    let edge = &fleet.edge;
    let mut catalog = edge.catalog().await;
    let id = product_id();
    read(&mut catalog, &id).await;
    fleet.shops.iter().for_each(|shop| shop.crash());
    edge.clock.advance(Duration::from_secs(600 + 1000)); // fresh no more

    let refused = async || {
        let refused = batch(edge.channel().await).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        refused
    };
    until("it is not asked any more", async || {
        refused().await;
        service(edge, "catalog").await["breaker"] == "open"
    })
    .await;
    let retry = refused().await.get_details_retry_info().unwrap();
    assert!(retry.retry_delay.is_some());
    assert!(
        !refused()
            .await
            .metadata()
            .get("retry-after")
            .unwrap()
            .is_empty()
    );

    let (product, status) = read(&mut catalog, &id).await;
    assert_eq!((product.id, status.as_str()), (id, "souk; hit; ttl=-1000"));

    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    order
        .get_cart(bearing(&token, GetCartRequest {}))
        .await
        .unwrap();
    assert_eq!(service(edge, "order").await["breaker"], "closed");
    // svc-identity's instances are the same servers: plain HTTP says it, too.
    until("svc-identity is found away", async || {
        let answer = edge.http("GET", "/.well-known/jwks.json").await;
        answer.status == 503 && service(edge, "identity").await["breaker"] == "open"
    })
    .await;
    let answer = edge.http("GET", "/.well-known/jwks.json").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("retry-after"), "1");

    let mut back = Vec::new();
    for shop in &fleet.shops {
        back.push(Shop::start_at(shop.address).await);
    }
    until("it is back", async || {
        batch(edge.channel().await).await.is_ok()
    })
    .await;
    until("it is whole", async || {
        batch(edge.channel().await).await.is_ok()
            && service(edge, "catalog").await["breaker"] == "closed"
    })
    .await;
}

#[tokio::test]
async fn a_service_that_hangs_holds_a_bounded_number_of_requests_and_none_of_the_others() {
    let flags = [&UNLIMITED[..], &["--max-calls-per-service", "5"]].concat();
    let fleet = Fleet::start(1, &flags).await;
    let edge = &fleet.edge;
    fleet.shops[0].hanging.send_replace(true);
    // Each asks again when its time is over.
    let waiting = Load::of_reads(edge, 5).await;
    let is_one_too_many = |refused: &Status| {
        let info = refused.get_details_error_info();
        info.is_some_and(|info| info.reason == "SERVICE_OVERLOADED")
    };
    until("one more is refused, and does not wait", async || {
        let refused = batch(edge.channel().await).await.unwrap_err();
        is_one_too_many(&refused)
            && refused.code() == Code::Unavailable
            && refused.get_details_retry_info().is_some()
    })
    .await;
    // The cache's own questions have no places of their own.
    until("a question of the cache is refused", async || {
        let question = GetProductRequest { id: product_id() };
        let asked = edge.catalog().await.get_product(question).await;
        is_one_too_many(&asked.unwrap_err())
    })
    .await;
    let token = customer(&edge.clock);
    let asked = bearing(&token, GetCartRequest {});
    edge.order().await.get_cart(asked).await.unwrap();
    assert_eq!(waiting.good.load(SeqCst), 0, "it hangs all the while");

    fleet.shops[0].hanging.send_replace(false);
    waiting.until_more(5).await;
    waiting.end().await;
    until("there is a place again", async || {
        batch(edge.channel().await).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn repeats_stay_within_their_budget_when_everything_fails() {
    const REQUESTS: usize = 1000;
    let fleet = Fleet::start(3, &UNLIMITED).await;
    for shop in &fleet.shops {
        shop.failing.store(true, SeqCst);
    }
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let mut catalog = fleet.edge.catalog().await;
        callers.spawn(async move {
            for _ in 0..REQUESTS / 10 {
                let question = GetProductRequest { id: product_id() };
                let failed = catalog.get_product(question).await.unwrap_err();
                assert_eq!(
                    (failed.code(), failed.message()),
                    (Code::Unavailable, "failing")
                );
            }
        });
    }
    callers.join_all().await;
    let attempts: usize = fleet.shops.iter().map(|shop| shop.all_calls()).sum();
    // A fifth of them, and three a second with ten seconds' in advance.
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let most = REQUESTS + REQUESTS / 5 + 3 * (10 + seconds);
    assert!(
        (REQUESTS + 30..=most).contains(&attempts),
        "{attempts} of {most}"
    );
    let metrics = fleet.edge.metrics().await;
    assert!(
        metrics
            .contains("edge_upstream_repeats_total{outcome=\"over_budget\",service=\"catalog\"}")
    );
}

#[tokio::test]
async fn what_one_instance_declines_another_one_answers() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    fleet.shops[0].failing.store(true, SeqCst);
    let mut catalog = fleet.edge.catalog().await;
    for _ in 0..20 {
        read(&mut catalog, &product_id()).await;
    }
    let declined = fleet.shops[0].all_calls();
    assert!(
        declined > 0 && fleet.shops[1].all_calls() == 20,
        "{declined}"
    );
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    let edge = &fleet.edge;
    let running = tokio::spawn({
        let channel = edge.channel().await;
        async move { log_in(channel, "never-").await }
    });
    until("one is asked", async || {
        fleet.calls("log_in").iter().sum::<usize>() == 1
    })
    .await;
    let asked = fleet.shops.iter().find(|shop| shop.calls("log_in") == 1);
    asked.unwrap().crash();
    let broken = running.await.unwrap().unwrap_err();
    assert_eq!(broken.code(), Code::Unavailable);
    assert_eq!(fleet.calls("log_in").iter().sum::<usize>(), 1);

    // The same with a read: another instance answers.
    let fleet = Fleet::start(2, &UNLIMITED).await;
    let id = format!("gated-{}", product_id());
    let mut catalog = fleet.edge.catalog().await;
    let running = tokio::spawn({
        let id = id.clone();
        async move { read(&mut catalog, &id).await }
    });
    until("one is asked", async || {
        fleet.calls(&id).iter().sum::<usize>() == 1
    })
    .await;
    let asked = fleet.shops.iter().position(|shop| shop.calls(&id) == 1);
    let asked = asked.unwrap();
    fleet.shops[1 - asked].gate.add_permits(1);
    fleet.shops[asked].crash();
    assert_eq!(running.await.unwrap().0.id, id);
    assert_eq!(fleet.calls(&id), [1, 1]);
}

#[tokio::test]
async fn what_was_never_sent_goes_to_another_instance_whatever_it_does() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    fleet.shops[0].crash(); // nobody has a connection yet
    for _ in 0..10 {
        log_in(fleet.edge.channel().await, "").await.unwrap();
    }
    assert_eq!(fleet.shops[1].calls("log_in"), 10);
}

#[tokio::test]
async fn what_is_left_of_the_time_travels_with_a_repeat() {
    let fleet = Fleet::start(2, &UNLIMITED).await;
    let (first, second) = (&fleet.shops[0], &fleet.shops[1]);
    let id = format!("gated-{}", product_id());
    let web = fleet.edge.web();
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    let question = GetProductRequest { id: id.clone() };
    let asking = web.call(path, &question);
    let breaking = async {
        until("one is asked", async || {
            fleet.calls(&id).iter().sum::<usize>() == 1
        })
        .await;
        let (asked, other) = if first.calls(&id) == 1 {
            (first, second)
        } else {
            (second, first)
        };
        let whole = left_ms(asked);
        // What happens in this time is what is to be seen.
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.gate.add_permits(1);
        asked.crash();
        (whole, Arc::clone(other))
    };
    let (answer, (whole, other)) = tokio::join!(asking, breaking);
    assert_eq!((answer.status, answer.grpc_status), (200, Some(0)));
    let left = left_ms(&other);
    assert!(left + 50 <= whole && whole <= 2000, "{left} of {whole}");
}

fn left_ms(shop: &Shop) -> u64 {
    let header = shop.saw("grpc-timeout").unwrap();
    header.trim_end_matches('m').parse().unwrap()
}

#[tokio::test]
async fn the_same_question_finds_the_same_instance() {
    let clock = Clock::manual(Clock::system().now());
    let fleet = Fleet::build(3, &UNLIMITED, clock).await;
    let mut catalog = fleet.edge.catalog().await;
    let ids: Vec<_> = (0..30).map(|_| product_id()).collect();
    for _ in 0..3 {
        for id in &ids {
            read(&mut catalog, id).await;
        }
        fleet.edge.clock.advance(Duration::from_hours(24));
    }
    for id in &ids {
        let mut calls = fleet.calls(id);
        calls.sort_unstable();
        assert_eq!(calls, [0, 0, 3], "{id}");
    }
    for shop in &fleet.shops {
        assert!(shop.all_calls() > 0, "each has some");
    }
}

#[tokio::test]
async fn a_name_stands_for_all_its_addresses_and_the_last_ones_stay_when_it_is_not_answered() {
    let (one, other) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let names = NameServer::start(&[one]).await;
    let first = Shop::start_at(free_address()).await;
    let port = first.address.port();
    let second = Shop::start_at((other, port).into()).await;
    let url = format!("http://svc-catalog.shop.test:{port}");
    let server = names.address.to_string();
    let flags = ["--catalog-url", &url, "--name-server", &server];
    let flags = [&UNLIMITED[..], &flags].concat();
    let edge = Harness::build_over(&flags, Shop::start().await).await;

    batch(edge.channel().await).await.unwrap();
    assert_eq!((first.calls("batch"), second.calls("batch")), (1, 0));
    names.say(Some(&[one, other]));
    until("both are asked", async || {
        batch(edge.channel().await).await.unwrap();
        second.calls("batch") > 0
    })
    .await;
    names.say(Some(&[other]));
    until("the first is gone", async || {
        batch(edge.channel().await).await.unwrap();
        instance(&edge, "catalog", first.address).await.is_none()
    })
    .await;
    let before = first.calls("batch");
    names.say(None);
    let asked = names.asked();
    until("it fails to answer", async || names.asked() > asked + 1).await;
    for _ in 0..20 {
        batch(edge.channel().await).await.unwrap();
    }
    assert_eq!(first.calls("batch"), before);
}

#[test]
fn an_address_that_makes_no_sense_is_one_clear_line_at_the_start() {
    let parse = |catalog: &str| {
        let mut arguments = vec!["edge", "--http-listen", "127.0.0.1:1"];
        arguments.extend(["--admin-listen", "127.0.0.1:2", "--nats-url", "nats://x"]);
        arguments.extend(["--jwks-url", "http://x:1/"]);
        for flag in [
            "--identity-url",
            "--order-url",
            "--payment-url",
            "--notify-url",
        ] {
            arguments.extend([flag, "http://127.0.0.1:3"]);
        }
        arguments.extend(["--catalog-url", catalog]);
        Config::try_parse_from(arguments).map(|config| config.upstreams.catalog_url.len())
    };
    assert_eq!(parse("http://a:1,http://[::1]:2, http://c:3").unwrap(), 3);
    for bad in [
        "",
        "http://a:1,",
        "a:1",
        "http://a",
        "http://a:1,https://b:2",
    ] {
        let error = parse(bad).unwrap_err().to_string();
        assert!(error.contains("--catalog-url"), "{bad}: {error}");
        assert!(error.contains("must be http://host:port"), "{bad}: {error}");
    }
}

#[tokio::test]
async fn streams_and_calls_have_places_of_their_own() {
    let flags = [&UNLIMITED[..], &["--max-calls-per-service", "0"]].concat();
    let edge = Harness::with(&flags).await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    let placed = order.place_order(bearing(&token, PlaceOrderRequest::default()));
    let refused = placed.await.unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SERVICE_OVERLOADED");
    let watching = bearing(&token, proto::souk::order::v1::WatchOrderRequest::default());
    let stream = order.watch_order(watching).await.unwrap();
    assert_eq!(service(&edge, "order").await["streams_in_flight"], 1);
    drop(stream);
}
