//! The server stack: gRPC, gRPC-web and plain HTTP on one port, with every
//! limit, every check and every measurement that a call must pass.

mod gate;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::{Router, middleware};
use http::Request;
use tonic::{
    body::Body,
    server::NamedService,
    service::{Routes, RoutesBuilder},
    transport::server::TcpIncoming,
};
use tonic_web::GrpcWebLayer;
use tower::Service;

use crate::{Shutdown, admin::Admin, auth::Verifier, secret::Secret};
use gate::Gate;

/// Streams that one connection may have open.
const MAX_STREAMS: u32 = 1024;

/// The largest set of headers that is read, in bytes.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// How often an idle connection is checked, and how long it may be silent then.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// Where a service listens and how much it takes on.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerConfig {
    /// Where calls are answered.
    #[arg(long, env = "SOUK_LISTEN")]
    pub listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are answered.
    #[arg(long, env = "SOUK_ADMIN_LISTEN")]
    pub admin_listen: SocketAddr,
    /// The most calls at once; more are refused at once.
    #[arg(long, env = "SOUK_MAX_CONCURRENT_CALLS", default_value_t = 1024)]
    pub max_concurrent_calls: usize,
    /// How long a call may take whose method names no limit, in milliseconds.
    #[arg(long, env = "SOUK_DEFAULT_TIMEOUT_MS", default_value_t = 10_000)]
    pub default_timeout_ms: u64,
    /// How long running calls may go on after the wish to stop, in
    /// milliseconds.
    #[arg(long, env = "SOUK_GRACE_MS", default_value_t = 5000)]
    pub grace_ms: u64,
    /// What services of the mesh show each other.
    #[arg(long, env = "SOUK_INTERNAL_SECRET", hide_env_values = true)]
    pub internal_secret: Option<Secret>,
}

/// A server in the making.
pub struct Server {
    name: &'static str,
    config: ServerConfig,
    gate: Gate,
    routes: RoutesBuilder,
    http: Router,
    admin: Admin,
    health: tonic_health::server::HealthReporter,
}

impl Server {
    /// A server that answers health checks and reflection.
    pub fn new(name: &'static str, config: &ServerConfig, verifier: Verifier) -> Self {
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = RoutesBuilder::default();
        routes.add_service(health_service);
        match tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .build_v1()
        {
            Ok(reflection) => {
                routes.add_service(reflection);
            }
            Err(error) => tracing::error!(%error, "no reflection"),
        }
        Self {
            name,
            config: config.clone(),
            gate: Gate::new(config, verifier),
            routes,
            http: Router::new(),
            admin: Admin::new(),
            health,
        }
    }

    /// Answers the methods of a gRPC service.
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self
    }

    /// Answers plain HTTP beside the methods.
    #[must_use]
    pub fn http(mut self, router: Router) -> Self {
        self.http = self.http.merge(router);
        self
    }

    /// Is ready only while `check` says so.
    #[must_use]
    pub fn ready<F>(
        mut self,
        name: &'static str,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.admin = self.admin.ready(name, check);
        self
    }

    /// Answers until told to stop, then lets running calls finish.
    ///
    /// # Errors
    /// When an address is taken.
    pub async fn serve(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let listen = self.config.listen;
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let calls = self
            .routes
            .routes()
            .into_axum_router()
            .layer(middleware::from_fn_with_state(self.gate, gate::pass))
            .layer(GrpcWebLayer::new());
        let routes = Routes::from(calls.merge(self.http));
        self.health
            .set_service_status("", tonic_health::ServingStatus::Serving)
            .await;
        tracing::info!(service = self.name, %listen, admin = %self.config.admin_listen, "listening");

        // Without it the parts of an answer wait for the caller's delayed
        // acknowledgement, 40 ms; the builder's own setting is not for us.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let stopping = shutdown.clone();
        let server = tonic::transport::Server::builder()
            .accept_http1(true)
            .max_concurrent_streams(MAX_STREAMS)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, async move {
                stopping.stopped().await;
            });
        let grace = Duration::from_millis(self.config.grace_ms);
        let until = shutdown.clone();
        let server = async move {
            tokio::select! {
                outcome = server => outcome.context("the server failed"),
                () = async { until.stopped().await; tokio::time::sleep(grace).await } => {
                    tracing::warn!("calls that still run are cut off");
                    Ok(())
                }
            }
        };
        tokio::try_join!(server, self.admin.serve(self.config.admin_listen, shutdown))?;
        Ok(())
    }
}
