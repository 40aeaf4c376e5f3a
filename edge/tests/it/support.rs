//! What the tests share: an edge, the services behind it, and its callers.

pub(crate) mod dns;
pub(crate) mod grpc_web;
pub(crate) mod h2;
pub(crate) mod nats;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod services;
pub(crate) mod tokens;
pub(crate) mod web_origin;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    time::Duration,
};

use clap::Parser as _;
use edge::{App, Config, limit::Limits};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use proto::souk::{
    catalog::v1::{GetProductRequest, Product, catalog_service_client::CatalogServiceClient},
    identity::v1::identity_service_client::IdentityServiceClient,
    order::v1::order_service_client::OrderServiceClient,
};
use svc_kit::{Shutdown, clock::Clock};
use tokio::{sync::Mutex, task::JoinHandle};
use tonic::{metadata::MetadataMap, transport::Channel};

use self::{grpc_web::GrpcWeb, services::Shop};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An edge, running, with services behind it.
pub(crate) struct Harness {
    pub(crate) edge: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) shop: Arc<Shop>,
    pub(crate) clock: Clock,
    pub(crate) limits: Arc<Limits>,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: Mutex<Option<JoinHandle<anyhow::Result<()>>>>,
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With more flags, the machine's clock.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        Self::build(flags, Clock::system(), Shop::start().await).await
    }

    /// With a clock that stands still, at the present.
    pub(crate) async fn with_manual_clock(flags: &[&str]) -> Self {
        let clock = Clock::manual(Clock::system().now());
        Self::build(flags, clock, Shop::start().await).await
    }

    /// With services of the test's choice.
    pub(crate) async fn build_over(flags: &[&str], shop: Arc<Shop>) -> Self {
        Self::build(flags, Clock::system(), shop).await
    }

    pub(crate) async fn build(flags: &[&str], clock: Clock, shop: Arc<Shop>) -> Self {
        let harness = Self::launch(flags, clock, shop).await;
        let readyz = format!("http://{}/readyz", harness.admin);
        until("the edge is ready", async || {
            let answer = harness.get(&readyz).await;
            answer.is_some_and(|answer| answer.status == 200)
        })
        .await;
        harness
    }

    /// It may not be ready yet.
    pub(crate) async fn launch(flags: &[&str], clock: Clock, shop: Arc<Shop>) -> Self {
        let (edge, admin) = (free_address(), free_address());
        let config = config(edge, admin, &shop.url(), flags);
        let shutdown = Shutdown::new();
        let app = App::build_at(config, clock.clone()).await.unwrap();
        let limits = app.limits();
        let task = tokio::spawn(app.run_until_stopped(shutdown.clone()));
        Self {
            edge,
            admin,
            shop,
            clock,
            limits,
            shutdown,
            task: Mutex::new(Some(task)),
        }
    }

    /// Whether a readiness check says this.
    pub(crate) async fn is_reported(&self, check: &str, outcome: &str) -> bool {
        let answer = self.get(&format!("http://{}/readyz", self.admin)).await;
        answer.is_some_and(|answer| answer.json()[check] == outcome)
    }

    /// Stops it, as a signal would, and waits for its end.
    pub(crate) async fn stop(&self) {
        self.shutdown.stop();
        let task = self.task.lock().await.take().unwrap();
        task.await.unwrap().unwrap();
    }

    /// A connection of native gRPC: HTTP/2 without TLS.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.edge))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    pub(crate) async fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel().await)
    }

    pub(crate) async fn order(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel().await)
    }

    pub(crate) async fn identity(&self) -> IdentityServiceClient<Channel> {
        IdentityServiceClient::new(self.channel().await)
    }

    /// A browser: gRPC-web over HTTP/1.1.
    pub(crate) fn web(&self) -> GrpcWeb {
        GrpcWeb::new(self.edge)
    }

    /// Plain HTTP/1.1.
    pub(crate) async fn get(&self, url: &str) -> Option<Answer> {
        send(Request::get(url).body(Full::default()).unwrap()).await
    }

    /// Plain HTTP/1.1 to the edge.
    pub(crate) async fn http(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.edge))
            .body(Full::default())
            .unwrap();
        send(request).await.unwrap()
    }

    /// What the admin port says.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.admin);
        self.get(&url).await.unwrap()
    }

    /// Has the admin port do something.
    pub(crate) async fn order_admin(&self, path: &str, body: serde_json::Value) -> Answer {
        let request = Request::post(format!("http://{}{path}", self.admin))
            .header("content-type", "application/json")
            .body(Full::new(body.to_string().into()))
            .unwrap();
        send(request).await.unwrap()
    }

    /// Whether the edge knows all purges.
    pub(crate) async fn has_caught_up(&self) -> bool {
        self.admin("/cache").await.json()["caught_up"] == true
    }

    /// The edge's metrics.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.get(&format!("http://{}/metrics", self.admin)).await;
        String::from_utf8(answer.unwrap().body.into()).unwrap()
    }
}

/// The configuration of an edge before one server that plays all services.
pub(crate) fn config(
    edge: SocketAddr,
    admin: SocketAddr,
    shop_url: &str,
    flags: &[&str],
) -> Config {
    Config::try_parse_from(arguments(edge, admin, shop_url, flags)).unwrap()
}

/// The command line of such an edge.
pub(crate) fn arguments(
    edge: SocketAddr,
    admin: SocketAddr,
    shop_url: &str,
    flags: &[&str],
) -> Vec<String> {
    let edge = edge.to_string();
    let admin = admin.to_string();
    let jwks = format!("{shop_url}/.well-known/jwks.json");
    let nats = svc_kit::testing::server_url("SOUK_TEST_NATS_URL");
    let fleet = format!("test-{}", product_id());
    let mut arguments = vec![
        "edge",
        "--http-listen",
        &edge,
        "--admin-listen",
        &admin,
        "--jwks-url",
        &jwks,
        "--drain-seconds",
        "5",
        "--threads",
        "2",
    ];
    let defaults = [
        ("--identity-url", shop_url),
        ("--catalog-url", shop_url),
        ("--order-url", shop_url),
        ("--payment-url", shop_url),
        ("--notify-url", shop_url),
        ("--nats-url", &nats),
        ("--fleet", &fleet),
    ];
    for (flag, value) in defaults {
        if !flags.contains(&flag) {
            arguments.extend([flag, value]);
        }
    }
    arguments.extend(flags);
    arguments.into_iter().map(str::to_owned).collect()
}

/// An answer of plain HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends a request on a connection of its own; `None` when nobody answers.
pub(crate) async fn send(request: Request<Full<Bytes>>) -> Option<Answer> {
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .build_http();
    let response: Response<Incoming> = client.request(request).await.ok()?;
    let (head, body) = response.into_parts();
    Some(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.ok()?.to_bytes(),
    })
}

/// A header as text, empty when there is none.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// What the cache said to a call of gRPC.
pub(crate) fn cache_status(metadata: &MetadataMap) -> &str {
    metadata
        .get("cache-status")
        .map_or("", |value| value.to_str().unwrap())
}

/// Reads a product; its title and what the cache said.
pub(crate) async fn read(
    catalog: &mut CatalogServiceClient<Channel>,
    id: &str,
) -> (Product, String) {
    let answer = catalog
        .get_product(GetProductRequest { id: id.to_owned() })
        .await
        .unwrap();
    let status = cache_status(answer.metadata()).to_owned();
    (answer.into_inner(), status)
}

/// An id that no other test uses, now or in an earlier run.
pub(crate) fn product_id() -> String {
    uuid::Uuid::from_bytes(svc_kit::random::bytes()).to_string()
}

/// An address that nobody listens on, and that no other test is given. It lies
/// below the ports that the system gives to outgoing connections.
pub(crate) fn free_address() -> SocketAddr {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let [a, b] = svc_kit::random::bytes();
        AtomicU16::new(u16::from_le_bytes([a, b]))
    });
    loop {
        let offset = next.fetch_add(1, SeqCst) % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], PORTS.start + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("in vain: until {what}"));
}
