//! Pingora's server: the listeners and the threads. It runs beside the
//! process's own runtime, on plain threads, and stops when that says so.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_trait::async_trait;
use pingora::{
    apps::HttpServerOptions,
    listeners::TcpSocketOptions,
    protocols::{TcpKeepalive, http::v2::server::default_h2_options},
    proxy::http_proxy,
    server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, configuration::ServerConf},
    services::listening::Service,
};
use svc_kit::Shutdown;
use tokio::sync::watch;

use crate::{
    config::Config,
    connections::{self, Counted, Heard},
    context::InFlight,
    headers::MAX_HEADER_BYTES,
    hello::Hello,
    proxy::Edge,
    tls::{self, Certificate},
    upstream::MAX_ATTEMPTS,
};

/// Requests on one connection of HTTP/1 before it is closed, so that load
/// moves on to new edges.
const KEEP_ALIVE_REQUESTS: u32 = 10_000;
/// Requests at once on a connection of HTTP/2.
const H2_MAX_STREAMS: u32 = 250;
/// What an HTTP/2 caller may send ahead of us, in each request.
const H2_STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// What an HTTP/2 caller may send ahead of us, in all requests.
const H2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// Requests that an HTTP/2 caller may have given up before we looked at them.
/// More, and it only makes work: the connection is ended (CVE-2023-44487).
const H2_MAX_PENDING_RESETS: usize = 20;
/// Requests of HTTP/2 against the protocol, on one connection, before it is
/// ended.
const H2_MAX_LOCAL_ERRORS: usize = 100;
/// Answers of HTTP/2 that wait for a slow reader, in bytes for each request.
const H2_SEND_BUFFER_BYTES: usize = 256 << 10;
/// The longest frame that is taken; the least that the protocol allows.
const H2_MAX_FRAME_BYTES: u32 = 16 << 10;
/// When callers that vanished are looked for, and how.
const KEEP_ALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: usize = 4;
/// Connections to services without requests that are kept.
const UPSTREAM_POOL_SIZE: usize = 128;
/// How long the listeners may take to come up.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often we look whether they are up, or requests are done.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long runtimes may take to end after the drain.
const RUNTIME_SHUTDOWN_SECONDS: u64 = 1;

/// Listeners and what answers behind them, not yet running.
pub struct Listeners {
    server: Server,
    addresses: Vec<SocketAddr>,
    drain: Duration,
    in_flight: InFlight,
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Listeners {
    /// Prepares the listeners of a configuration.
    ///
    /// # Errors
    /// When an address is taken, or the certificate is of no use.
    pub fn new(config: &Config, edge: Edge) -> anyhow::Result<Self> {
        let threads = match config.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let conf = ServerConf {
            threads,
            // Alone, a thread runs what is ready in the order in which it woke,
            // and a connection after all that it answers: larger writes.
            work_stealing: threads > 1,
            grace_period_seconds: Some(config.drain_seconds),
            graceful_shutdown_timeout_seconds: Some(RUNTIME_SHUTDOWN_SECONDS),
            max_retries: MAX_ATTEMPTS,
            upstream_keepalive_pool_size: UPSTREAM_POOL_SIZE,
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();

        let in_flight = edge.in_flight.clone();
        let mut proxy = http_proxy(&server.configuration, edge);
        let mut options = HttpServerOptions::default();
        options.h2c = true; // on the plain listener; with TLS, ALPN decides
        options.keepalive_request_limit = Some(KEEP_ALIVE_REQUESTS);
        options.h2_idle_timeout = Some(config.patience.idle());
        proxy.server_options = Some(options);
        let mut h2 = default_h2_options();
        h2.max_concurrent_streams(H2_MAX_STREAMS);
        h2.max_header_list_size(u32::try_from(2 * MAX_HEADER_BYTES).unwrap_or(u32::MAX));
        h2.initial_window_size(H2_STREAM_WINDOW_BYTES);
        h2.initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES);
        h2.max_frame_size(H2_MAX_FRAME_BYTES);
        h2.max_pending_accept_reset_streams(H2_MAX_PENDING_RESETS);
        h2.max_local_error_reset_streams(Some(H2_MAX_LOCAL_ERRORS));
        h2.max_send_buffer_size(H2_SEND_BUFFER_BYTES);
        proxy.h2_options = Some(h2);

        let bounds = connections::Bounds {
            max: config.max_connections,
            max_per_address: config.max_connections_per_address,
            trusted_proxies: config.trusted_proxies.clone(),
            patience: config.patience.clone(),
        };
        let counted = Counted::new(Heard::new(proxy), bounds);
        let mut service = Service::new("edge".to_owned(), counted);
        let mut addresses = Vec::new();
        if let Some(address) = config.http_listen {
            free(address)?;
            service.add_tcp_with_settings(&address.to_string(), socket_options());
            addresses.push(address);
        }
        if let Some(address) = config.https_listen {
            free(address)?;
            let (Some(chain), Some(key)) = (&config.tls_cert, &config.tls_key) else {
                anyhow::bail!("HTTPS needs a certificate and its key");
            };
            let certificate = Certificate::load(chain, key)?;
            let settings = tls::settings(certificate)?;
            service.add_tls_with_settings(&address.to_string(), Some(socket_options()), settings);
            let hello = Hello::within(config.patience.head());
            service.endpoints().set_pre_tls_callback(Arc::new(hello));
            addresses.push(address);
        }
        server.add_service(service);
        Ok(Self {
            server,
            addresses,
            drain: Duration::from_secs(config.drain_seconds),
            in_flight,
        })
    }

    /// Answers until told to stop, then finishes what runs, within the time
    /// for it. `up` hears when the listeners are there.
    ///
    /// # Errors
    /// When the listeners do not come up.
    pub async fn run(self, up: watch::Sender<bool>, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self {
            server,
            addresses,
            drain,
            in_flight,
        } = self;
        let (ended, mut end) = watch::channel(());
        let signal = Box::new(StopSignal(shutdown.clone()));
        thread::Builder::new()
            .name("pingora".to_owned())
            .spawn(move || {
                server.run(RunArgs {
                    shutdown_signal: signal,
                });
                drop(ended);
            })
            .context("the server's thread")?;
        wait_until_up(&addresses).await?;
        up.send_replace(true);
        tracing::info!(?addresses, "listening");

        tokio::select! {
            () = shutdown.stopped() => {}
            _ = end.changed() => anyhow::bail!("the server ended by itself"),
        }
        // Pingora waits all of its time, whether anything runs or not.
        let begun = Instant::now();
        tokio::time::sleep(LOOK_EVERY).await;
        while begun.elapsed() < drain && in_flight.count() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// Tells Pingora to stop.
struct StopSignal(Shutdown);

#[async_trait]
impl ShutdownSignalWatch for StopSignal {
    async fn recv(&self) -> ShutdownSignal {
        self.0.stopped().await;
        ShutdownSignal::GracefulTerminate
    }
}

/// Pingora would end in a panic, after half a minute.
fn free(address: SocketAddr) -> anyhow::Result<()> {
    TcpListener::bind(address)
        .map(drop)
        .with_context(|| format!("cannot listen on {address}"))
}

async fn wait_until_up(addresses: &[SocketAddr]) -> anyhow::Result<()> {
    for address in addresses {
        let up = async {
            while tokio::net::TcpStream::connect(reachable(*address))
                .await
                .is_err()
            {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(LISTEN_TIMEOUT, up)
            .await
            .with_context(|| format!("nothing answers on {address}"))?;
    }
    Ok(())
}

/// "Any address" can be listened on, but not called.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

fn socket_options() -> TcpSocketOptions {
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEP_ALIVE_IDLE,
        interval: KEEP_ALIVE_INTERVAL,
        count: KEEP_ALIVE_PROBES,
        user_timeout: Duration::ZERO,
    });
    options
}
