//! What stands behind the edge: each service's instances, found by address or
//! by name, checked, chosen by load, left alone when they fail; and what keeps
//! one service's troubles from the others.
//!
//! [`Upstreams`] knows the [`pool`] of each service. A request begins a
//! [`call`] and makes attempts, each at an [`instance`] that [`choice`] picks
//! by its [`latency`]. What an attempt shows goes to the instance's
//! [`ejection`] and to the pool's breaker; [`health`] asks instances besides.
//! [`discovery`] says which there are, and [`report`] tells people.

pub mod call;
pub mod choice;
pub mod discovery;
pub mod ejection;
pub mod health;
pub mod instance;
pub mod latency;
pub mod pool;
pub mod report;
pub mod target;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use svc_kit::Shutdown;
use tokio::sync::{Mutex, Notify};

pub use self::{
    call::{Call, MAX_ATTEMPTS},
    pool::Choice,
};
use self::{
    discovery::{Discovery, Names},
    health::Checker,
    pool::Pool,
    target::Target,
};
use crate::{live::Live, metrics, refusal::Refusal, reload::Apply, route::Service};

/// How often names are looked up again.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);
/// How often the gauges are set.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// Where the services' gRPC ports are: "http://svc-catalog:50051", several
/// with commas between; a name stands for all addresses that it has.
#[derive(Debug, Clone, clap::Args)]
pub struct UpstreamConfig {
    /// svc-identity: "http://host:port", several with commas between. A name
    /// stands for all its addresses, and is looked up again and again.
    #[arg(
        long,
        env = "SOUK_IDENTITY_URL",
        value_delimiter = ',',
        required = true
    )]
    pub identity_url: Vec<Target>,
    /// svc-catalog, in the same way.
    #[arg(long, env = "SOUK_CATALOG_URL", value_delimiter = ',', required = true)]
    pub catalog_url: Vec<Target>,
    /// svc-order, in the same way.
    #[arg(long, env = "SOUK_ORDER_URL", value_delimiter = ',', required = true)]
    pub order_url: Vec<Target>,
    /// svc-payment, in the same way.
    #[arg(long, env = "SOUK_PAYMENT_URL", value_delimiter = ',', required = true)]
    pub payment_url: Vec<Target>,
    /// svc-notify, in the same way.
    #[arg(long, env = "SOUK_NOTIFY_URL", value_delimiter = ',', required = true)]
    pub notify_url: Vec<Target>,
    /// The name server that is asked for the services' names, "10.0.0.10:53";
    /// those of the machine, when there is none.
    #[arg(long, env = "SOUK_EDGE_NAME_SERVER")]
    pub name_server: Option<SocketAddr>,
    /// How often each instance is asked whether it is well, in milliseconds.
    #[arg(
        long,
        env = "SOUK_EDGE_HEALTH_INTERVAL_MS",
        default_value_t = 2000,
        value_parser = clap::value_parser!(u64).range(10..)
    )]
    pub health_interval_ms: u64,
    /// The most single calls to one service at once; more are refused, so that
    /// a service that hangs takes nothing from the others.
    #[arg(long, env = "SOUK_EDGE_MAX_CALLS_PER_SERVICE", default_value_t = 2000)]
    pub max_calls_per_service: usize,
    /// The most streams to one service at once.
    #[arg(
        long,
        env = "SOUK_EDGE_MAX_STREAMS_PER_SERVICE",
        default_value_t = 10_000
    )]
    pub max_streams_per_service: usize,
}

/// Where all services are, as they were told, in the order of the pools.
#[derive(Debug, Clone)]
struct Targets {
    by_service: Vec<Vec<Target>>,
    names: Option<Names>,
}

impl Targets {
    fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let by_service = Service::ALL.map(|service| config.targets(service).to_vec());
        let mut all = by_service.iter().flatten();
        let names = if all.any(|target| target.ip().is_none()) {
            Some(Names::new(config.name_server)?)
        } else {
            None
        };
        Ok(Self {
            by_service: by_service.into(),
            names,
        })
    }
}

impl UpstreamConfig {
    /// What can change while requests are answered.
    pub const LIVE_KEYS: &[&str] = &[
        "identity-url",
        "catalog-url",
        "order-url",
        "payment-url",
        "notify-url",
        "name-server",
    ];

    fn targets(&self, service: Service) -> &[Target] {
        match service {
            Service::Identity => &self.identity_url,
            Service::Catalog => &self.catalog_url,
            Service::Order => &self.order_url,
            Service::Payment => &self.payment_url,
            Service::Notify => &self.notify_url,
        }
    }
}

/// All services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstreams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pools: Vec<Arc<Pool>>,
    /// Where their instances come from, in the same order.
    discoveries: Vec<Mutex<Discovery>>,
    targets: Live<Targets>,
    changed: Notify,
    checker: Checker,
    health_interval: Duration,
}

impl Upstreams {
    /// Takes the addresses; names are looked up later.
    ///
    /// # Errors
    /// When there are names, and nobody to ask for them.
    pub fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let pool = |service| {
            let (calls, streams) = (config.max_calls_per_service, config.max_streams_per_service);
            Arc::new(Pool::new(service, calls, streams))
        };
        Ok(Self(Arc::new(Inner {
            pools: Service::ALL.map(pool).into(),
            discoveries: Service::ALL.map(|_| Mutex::default()).into(),
            targets: Live::new(Targets::new(config)?),
            changed: Notify::new(),
            checker: Checker::unconnected(),
            health_interval: Duration::from_millis(config.health_interval_ms),
        })))
    }

    /// Begins a request to a service.
    ///
    /// # Errors
    /// When the service has too much to do, or is not asked at the moment.
    pub fn call(&self, service: Service, is_stream: bool, choice: Choice) -> Result<Call, Refusal> {
        let pool = self.pools().find(|pool| pool.service() == service);
        Call::begin(pool.ok_or(Refusal::Internal)?, is_stream, choice)
    }

    /// All services.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.pools.iter()
    }

    /// Prepares to look for the services elsewhere.
    ///
    /// # Errors
    /// When there are names, and nobody to ask for them.
    pub fn retarget(&self, config: &UpstreamConfig) -> anyhow::Result<Apply> {
        let (targets, inner) = (Targets::new(config)?, Arc::clone(&self.0));
        Ok(Box::new(move || {
            inner.targets.store(targets);
            inner.changed.notify_one();
        }))
    }

    /// Looks all names up once, at the same moment.
    pub async fn look_up(&self) {
        let targets = Arc::clone(&self.0.targets.load());
        let services = self.pools().zip(&self.0.discoveries);
        let look_ups = services
            .zip(&targets.by_service)
            .map(async |((pool, discovery), told)| {
                let mut discovery = discovery.lock().await;
                discovery.retarget(told);
                discovery.look_up(targets.names.as_ref(), pool).await;
            });
        futures::future::join_all(look_ups).await;
    }

    /// Looks names up, checks instances and counts them, again and again.
    pub async fn keep_watch(&self, shutdown: Shutdown) {
        let looking_up = async {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_UP_EVERY) => {}
                    () = self.0.changed.notified() => {}
                }
                loop {
                    tokio::select! {
                        () = self.look_up() => break,
                        // Nobody waits for a name that is not wanted any more.
                        () = self.0.changed.notified() => {}
                    }
                }
            }
        };
        let checking = async {
            let mut interval = tokio::time::interval(self.0.health_interval);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let instances = self.pools().flat_map(|pool| pool.instances().to_vec());
                self.0.checker.check(instances.collect()).await;
            }
        };
        let measuring = async {
            let mut interval = tokio::time::interval(MEASURE_EVERY);
            loop {
                interval.tick().await;
                self.pools().for_each(|pool| metrics::pool(pool));
            }
        };
        tokio::select! {
            () = shutdown.stopped() => {}
            () = looking_up => {}
            () = checking => {}
            () = measuring => {}
        }
    }
}
