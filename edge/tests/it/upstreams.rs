//! Several instances of a service: who is asked, who is left alone, what is
//! tried again, and what remains when all are away.

mod away;
mod choice;
mod health;
mod repeats;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use proto::souk::{catalog::v1::BatchGetProductsRequest, identity::v1::LogInRequest};
use serde_json::Value;
use svc_kit::clock::Clock;
use tokio::task::JoinSet;
use tonic::{Request, Status};

use crate::support::{Harness, free_address, services::Shop, until};

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
