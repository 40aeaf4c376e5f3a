//! Where the services are. One address each for now, looked up again and
//! again; choosing among several healthy ones takes the place of
//! [`Upstreams::peer`].

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use http::Uri;
use pingora::upstreams::peer::HttpPeer;
use svc_kit::Shutdown;

use crate::{refusal::Refusal, route::Service};

/// How long a connection to a service may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a service may refuse to take more of a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection without requests is kept.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// How often a connection is asked whether it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Requests at once on a connection to a service.
const MAX_STREAMS: usize = 100;
/// How often names are looked up again.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// Addresses of the services' gRPC ports, such as "http://127.0.0.1:54340".
#[derive(Debug, Clone, clap::Args)]
pub struct UpstreamConfig {
    /// svc-identity
    #[arg(long, env = "SOUK_IDENTITY_URL")]
    pub identity_url: Uri,
    /// svc-catalog
    #[arg(long, env = "SOUK_CATALOG_URL")]
    pub catalog_url: Uri,
    /// svc-order
    #[arg(long, env = "SOUK_ORDER_URL")]
    pub order_url: Uri,
    /// svc-payment
    #[arg(long, env = "SOUK_PAYMENT_URL")]
    pub payment_url: Uri,
    /// svc-notify
    #[arg(long, env = "SOUK_NOTIFY_URL")]
    pub notify_url: Uri,
}

impl UpstreamConfig {
    fn url(&self, service: Service) -> &Uri {
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
pub struct Upstreams(Arc<[Upstream]>);

#[derive(Debug)]
struct Upstream {
    service: Service,
    host: String,
    port: u16,
    /// The last address that was found.
    address: ArcSwapOption<SocketAddr>,
}

impl Upstreams {
    /// Reads the addresses; names are looked up later.
    ///
    /// # Errors
    /// When one is not `http://host:port`.
    pub fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let upstreams = Service::ALL
            .into_iter()
            .map(|service| {
                Upstream::new(service, config.url(service))
                    .with_context(|| format!("the address of svc-{}", service.name()))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self(upstreams))
    }

    /// Where a request for a service goes; an answer must begin, and go on,
    /// within `read_timeout`.
    ///
    /// # Errors
    /// `UpstreamUnavailable` when the service's name leads nowhere.
    pub fn peer(&self, service: Service, read_timeout: Duration) -> Result<HttpPeer, Refusal> {
        let address = self
            .0
            .iter()
            .find(|upstream| upstream.service == service)
            .and_then(|upstream| upstream.address.load_full())
            .ok_or(Refusal::UpstreamUnavailable)?;
        let mut peer = HttpPeer::new(*address, false, String::new());
        let options = &mut peer.options;
        options.set_http_version(2, 2);
        options.max_h2_streams = MAX_STREAMS;
        options.connection_timeout = Some(CONNECT_TIMEOUT);
        options.total_connection_timeout = Some(CONNECT_TIMEOUT);
        options.read_timeout = Some(read_timeout);
        options.write_timeout = Some(WRITE_TIMEOUT);
        options.idle_timeout = Some(IDLE_TIMEOUT);
        options.h2_ping_interval = Some(PING_INTERVAL);
        Ok(peer)
    }

    /// Looks all names up once.
    pub async fn look_up(&self) {
        for upstream in self.0.iter() {
            upstream.look_up().await;
        }
    }

    /// Looks the names up again and again.
    pub async fn keep_looking_up(&self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.stopped() => return,
                () = tokio::time::sleep(LOOK_UP_EVERY) => self.look_up().await,
            }
        }
    }
}

impl Upstream {
    fn new(service: Service, url: &Uri) -> anyhow::Result<Self> {
        anyhow::ensure!(
            url.scheme_str() == Some("http"),
            "\"{url}\" does not begin with http://"
        );
        let host = url
            .host()
            .with_context(|| format!("\"{url}\" has no host"))?;
        let port = url
            .port_u16()
            .with_context(|| format!("\"{url}\" has no port"))?;
        Ok(Self {
            service,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            address: ArcSwapOption::empty(),
        })
    }

    async fn look_up(&self) {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        match found.map(|mut addresses| addresses.next()) {
            Ok(Some(address)) => self.address.store(Some(Arc::new(address))),
            // The last address that was found stays.
            Ok(None) => tracing::warn!(service = self.service.name(), "name leads nowhere"),
            Err(error) => {
                tracing::warn!(service = self.service.name(), %error, "name not found");
            }
        }
    }
}
