//! The listeners and the threads that answer. They run beside the process's
//! own runtime. What stops is taken leave of: nobody's request is lost.
//!
//! The drain, in its order: `/readyz` says no, and for a while we go on as
//! before, so that load balancers notice; then nothing new is accepted;
//! HTTP/2 is told GOAWAY, HTTP/1 is answered with `connection: close`;
//! connections of HTTP/1 that lie idle may ask once more for a moment, since
//! their request may be under way; what runs is finished within its time.

use std::{net::TcpListener, sync::Arc, thread, time::Duration};

use anyhow::Context as _;
use futures::FutureExt as _;
use pingora::{
    apps::{HttpServerOptions, ServerApp as _},
    protocols::{
        TcpKeepalive,
        http::v2::server::default_h2_options,
        l4::{listener::Listener, stream::Stream},
    },
    proxy::{HttpProxy, http_proxy},
    server::{ShutdownWatch, configuration::ServerConf},
    services::listening::Service,
};
use svc_kit::Shutdown;
use tokio::{
    runtime::{Handle, Runtime},
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    connections::Counted,
    context::InFlight,
    headers::MAX_HEADER_BYTES,
    proxy::Edge,
    sockets::{Purpose, Socket},
    streams::Streams,
    tls::{self, Acceptor, Certificates},
};

/// Requests on one connection of HTTP/1 before it is closed, so that load
/// moves on to new edges.
const KEEP_ALIVE_REQUESTS: u32 = 10_000;
/// How long a connection of HTTP/2 may be without requests.
const H2_IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// Requests at once on a connection of HTTP/2.
const H2_MAX_STREAMS: u32 = 250;
/// What an HTTP/2 caller may send ahead of us, in each request.
const H2_STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// What an HTTP/2 caller may send ahead of us, in all requests.
const H2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// When callers that vanished are looked for, and how.
const KEEP_ALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: usize = 4;
/// How often a failed request may be tried again, the first time included.
const MAX_ATTEMPTS: usize = 2;
/// Connections to services without requests that are kept.
const UPSTREAM_POOL_SIZE: usize = 128;
/// How long a caller may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long we wait when the system has no connection for us, such as when too
/// many files are open.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Connections that are taken from the queue before it is closed.
const LAST_CONNECTIONS: usize = 1024;
/// How long an idle connection of HTTP/1 may still ask when we stop; half of
/// the drain at most. Its caller cannot be told before it asks.
const LINGER: Duration = Duration::from_secs(5);
/// How long callers of streams may take to hear that these end.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often we look whether requests are done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

type App = Counted<HttpProxy<Edge>>;

/// Listeners and what answers behind them, not yet running.
pub struct Listeners {
    app: Arc<App>,
    doors: Vec<Door>,
    threads: usize,
    unready: Duration,
    drain: Duration,
    in_flight: InFlight,
    streams: Streams,
}

/// Where callers come in.
struct Door {
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Listeners {
    /// Prepares the listeners of a configuration.
    ///
    /// # Errors
    /// When the system gives no handle on a socket.
    pub fn new(
        config: &Config,
        edge: Edge,
        sockets: &[Socket],
        certificates: Option<&Arc<Certificates>>,
    ) -> anyhow::Result<Self> {
        let threads = match config.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let conf = Arc::new(ServerConf {
            threads,
            work_stealing: true,
            max_retries: MAX_ATTEMPTS,
            upstream_keepalive_pool_size: UPSTREAM_POOL_SIZE,
            ..ServerConf::default()
        });

        let (in_flight, streams) = (edge.in_flight.clone(), edge.streams.clone());
        let mut proxy = http_proxy(&conf, edge);
        let mut options = HttpServerOptions::default();
        options.h2c = true; // on the plain listener; with TLS, ALPN decides
        options.keepalive_request_limit = Some(KEEP_ALIVE_REQUESTS);
        options.h2_idle_timeout = Some(H2_IDLE_TIMEOUT);
        proxy.server_options = Some(options);
        let mut h2 = default_h2_options();
        h2.max_concurrent_streams(H2_MAX_STREAMS);
        h2.max_header_list_size(u32::try_from(2 * MAX_HEADER_BYTES).unwrap_or(u32::MAX));
        h2.initial_window_size(H2_STREAM_WINDOW_BYTES);
        h2.initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES);
        proxy.h2_options = Some(h2);

        let mut doors = Vec::new();
        for socket in sockets {
            let tls = match (socket.purpose, certificates) {
                (Purpose::Admin, _) => continue,
                (Purpose::Http, _) => None,
                (Purpose::Https, Some(certificates)) => {
                    Some(Arc::new(tls::acceptor(Arc::clone(certificates))?))
                }
                (Purpose::Https, None) => anyhow::bail!("HTTPS needs a certificate and its key"),
            };
            let listener = socket.listener()?;
            doors.push(Door { listener, tls });
        }
        Ok(Self {
            app: Arc::new(Counted::new(proxy, config.max_connections)),
            doors,
            threads,
            unready: Duration::from_secs(config.unready_seconds),
            drain: Duration::from_secs(config.drain_seconds),
            in_flight,
            streams,
        })
    }

    /// Answers until told to stop, then takes its leave. `up` hears when the
    /// listeners are there and when they are about to go; `succeeded` says
    /// whether a new process has them.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub async fn run(
        self,
        up: watch::Sender<bool>,
        shutdown: Shutdown,
        succeeded: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let threads = Threads::start(self.threads)?;
        let (stop, stopping) = watch::channel(false);
        let closing = CancellationToken::new();
        let (accepting, connections) = (TaskTracker::new(), TaskTracker::new());
        for door in self.doors {
            let accept = Accept {
                app: Arc::clone(&self.app),
                stopping: stopping.clone(),
                closing: closing.clone(),
                connections: connections.clone(),
            };
            accepting.spawn_on(accept.run(door), &threads.handle);
        }
        accepting.close();
        up.send_replace(true);

        shutdown.stopped().await;
        up.send_replace(false);
        if !succeeded() {
            sleep(self.unready).await;
        }
        closing.cancel();
        accepting.wait().await;
        connections.close();
        tracing::info!(connections = connections.len(), "draining");
        stop.send_replace(true);
        let end = Instant::now() + self.drain;
        let linger = Instant::now() + LINGER.min(self.drain / 2);
        if timeout_at(linger, connections.wait()).await.is_err() {
            self.app.cleanup().await; // closes what is idle
        }
        let left = timeout_at(end, connections.wait()).await.is_err();
        while Instant::now() < end && self.in_flight.count() > 0 {
            sleep(LOOK_EVERY).await;
        }
        if left {
            tracing::warn!(
                requests = self.in_flight.count(),
                "not all was done in time"
            );
            self.streams.end();
            let told = timeout(FAREWELL, connections.wait()).await.is_ok();
            tracing::info!(told, "streams were ended");
        }
        drop(threads);
        Ok(())
    }
}

/// The threads that answer. They end with it, whatever they do.
struct Threads {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    fn start(count: usize) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("edge")
            .enable_all()
            .build()
            .context("the threads that answer")?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // waiting would block the process's own
        }
    }
}

/// Lets callers in at one door.
#[derive(Clone)]
struct Accept {
    app: Arc<App>,
    stopping: ShutdownWatch,
    closing: CancellationToken,
    connections: TaskTracker,
}

impl Accept {
    async fn run(self, door: Door) {
        let listener = match tokio::net::TcpListener::from_std(door.listener) {
            Ok(listener) => Listener::from(listener),
            Err(error) => {
                tracing::error!(%error, "a listener is of no use");
                return;
            }
        };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.closing.cancelled() => break,
            };
            match accepted {
                Ok(stream) => self.welcome(stream, door.tls.as_ref()),
                Err(error) => {
                    tracing::warn!(%error, "no connection accepted");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
        // Those who were let into the queue would be reset.
        for _ in 0..LAST_CONNECTIONS {
            let Some(Ok(stream)) = tokio::task::unconstrained(listener.accept()).now_or_never()
            else {
                break;
            };
            self.welcome(stream, door.tls.as_ref());
        }
    }

    fn welcome(&self, mut stream: Stream, tls: Option<&Arc<Acceptor>>) {
        if let Err(error) = prepare(&mut stream) {
            tracing::debug!(%error, "the caller is gone");
            return;
        }
        let (app, stopping) = (Arc::clone(&self.app), self.stopping.clone());
        let tls = tls.cloned();
        self.connections.spawn(async move {
            let stream: pingora::protocols::Stream = match tls {
                None => Box::new(stream),
                Some(tls) => match timeout(HANDSHAKE_TIMEOUT, tls.tls_handshake(stream)).await {
                    Ok(Ok(stream)) => Box::new(stream),
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "no TLS");
                        return;
                    }
                    Err(_) => {
                        tracing::debug!("no TLS in time");
                        return;
                    }
                },
            };
            Service::<App>::handle_event(stream, app, stopping).await;
        });
    }
}

fn prepare(stream: &mut Stream) -> pingora::Result<()> {
    stream.set_nodelay()?;
    stream.set_keepalive(&TcpKeepalive {
        idle: KEEP_ALIVE_IDLE,
        interval: KEEP_ALIVE_INTERVAL,
        count: KEEP_ALIVE_PROBES,
        user_timeout: Duration::ZERO,
    })
}
