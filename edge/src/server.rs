//! The listeners and the threads that answer. They run beside the process's
//! own runtime. What stops is taken leave of: nobody's request is lost.
//!
//! The drain, in its order: `/readyz` says no, and for a while we go on as
//! before, so that load balancers notice; then nothing new is accepted;
//! HTTP/2 is told GOAWAY, HTTP/1 is answered with `connection: close`;
//! connections of HTTP/1 that lie idle may ask once more for a moment, since
//! their request may be under way; what runs is finished within its time.

use std::{
    net::TcpListener,
    os::fd::{AsRawFd as _, IntoRawFd as _},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use pingora::{
    apps::HttpServerOptions,
    listeners::{L4BufferSettings, ListenerConfig, TcpSocketOptions},
    protocols::{
        GetSocketDigest as _, SocketDigest, TcpKeepalive, http::v2::server::default_h2_options,
        l4::stream::Stream,
    },
    proxy::{HttpProxy, http_proxy},
    server::{Fds, ShutdownWatch, configuration::ServerConf},
    services::{Service as _, listening::Service},
};
use svc_kit::Shutdown;
use tokio::{
    net::TcpStream,
    runtime::{Handle, Runtime},
    sync::{oneshot, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    config::Config,
    connections::{Counted, Heard},
    context::InFlight,
    headers::MAX_HEADER_BYTES,
    hello::Hello,
    places::{self, Places},
    proxy::Edge,
    sockets::{Purpose, Socket},
    streams::Streams,
    tls::{self, Acceptor, Certificates},
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
/// What is read of a connection at once. Each has its own, idle or not.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// When callers that vanished are looked for, and how.
const KEEP_ALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: usize = 4;
/// Connections to services without requests that are kept.
pub const UPSTREAM_POOL_SIZE: usize = 128;
/// Connections that are taken from the queue before it is closed.
const LAST_CONNECTIONS: usize = 1024;
/// How long they may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long we wait at least for those who are agreeing on TLS: they are not
/// counted yet.
const SETTLE: Duration = Duration::from_millis(500);
/// How long an idle connection of HTTP/1 may still ask when we stop; half of
/// the drain at most. Its caller cannot be told before it asks.
const LINGER: Duration = Duration::from_secs(5);
/// How long callers of streams may take to hear that these end.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often we look whether requests are done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

type App = Counted<Heard<HttpProxy<Edge>>>;

/// Listeners and what answers behind them, not yet running.
pub struct Listeners {
    service: Service<App>,
    app: App,
    fds: Fds,
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
            max_retries: MAX_ATTEMPTS,
            upstream_keepalive_pool_size: UPSTREAM_POOL_SIZE,
            ..ServerConf::default()
        });

        let (in_flight, streams) = (edge.in_flight.clone(), edge.streams.clone());
        let trusted_proxies = edge.trusted_proxies.clone();
        let mut proxy = http_proxy(&conf, edge);
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

        let places = Places::new(places::Bounds {
            max: config.max_connections,
            max_per_address: config.max_connections_per_address,
            trusted_proxies,
            patience: config.patience.clone(),
        });
        let app = Counted::new(Heard::new(proxy), places.clone());
        let mut service = Service::new("edge".to_owned(), app.clone());
        let (mut fds, mut doors) = (Fds::new(), Vec::new());
        for socket in sockets {
            let address = socket.address.to_string();
            let tls = match (socket.purpose, certificates) {
                (Purpose::Admin, _) => continue,
                (Purpose::Http, _) => {
                    service.add_listener(door(&address));
                    None
                }
                (Purpose::Https, Some(certificates)) => {
                    let settings = || tls::settings(Arc::clone(certificates));
                    service.add_listener(door(&address).tls(settings()?));
                    let hello = Hello::new(places.clone());
                    service.endpoints().set_pre_tls_callback(Arc::new(hello));
                    Some(Arc::new(settings()?.build()))
                }
                (Purpose::Https, None) => anyhow::bail!("HTTPS needs a certificate and its key"),
            };
            fds.add(address, socket.listener()?.into_raw_fd());
            let listener = socket.listener()?;
            doors.push(Door { listener, tls });
        }
        Ok(Self {
            service,
            app,
            fds,
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
    /// When the listeners end by themselves.
    pub async fn run(
        self,
        up: watch::Sender<bool>,
        shutdown: Shutdown,
        succeeded: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let (mut service, app) = (self.service, self.app);
        let threads = Threads::start(self.threads)?;
        let (stop, stopping) = watch::channel(false);
        let mut accepting = threads.handle.spawn({
            let (fds, stopping) = (Arc::new(self.fds.into()), stopping.clone());
            async move { service.start_service(Some(fds), stopping, 1).await }
        });
        up.send_replace(true);
        tokio::select! {
            () = shutdown.stopped() => {}
            _ = &mut accepting => anyhow::bail!("the listeners ended by themselves"),
        }
        up.send_replace(false);
        if !succeeded() {
            sleep(self.unready).await;
        }

        stop.send_replace(true);
        let _ = accepting.await; // a panic has been told
        for door in self.doors {
            let _inside = threads.handle.enter();
            door.take_last(&app, &stopping);
        }
        tracing::info!(connections = app.open(), "draining");
        let begun = Instant::now();
        let end = begun + self.drain;
        let linger = begun + LINGER.min(self.drain / 2);
        let mut idle_may_ask = true;
        loop {
            let now = Instant::now();
            let done = app.open() == 0 && self.in_flight.count() == 0;
            if now >= end || (done && now >= begun + SETTLE) {
                break;
            }
            if idle_may_ask && now >= linger {
                idle_may_ask = false;
                app.close_idle().await;
            }
            sleep(LOOK_EVERY).await;
        }
        let requests = self.in_flight.count();
        if requests > 0 {
            tracing::warn!(requests, "not all was done in time");
            self.streams.end();
            let end = Instant::now() + FAREWELL;
            while Instant::now() < end && app.open() > 0 {
                sleep(LOOK_EVERY).await;
            }
        }
        drop(threads);
        Ok(())
    }
}

impl Door {
    /// Takes in those who were in the queue when nobody accepted any more:
    /// they would be reset.
    fn take_last(self, app: &App, stopping: &ShutdownWatch) {
        for _ in 0..LAST_CONNECTIONS {
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            let (app, stopping) = (Arc::new(app.clone()), stopping.clone());
            let tls = self.tls.clone();
            tokio::spawn(async move {
                match timeout(HANDSHAKE_TIMEOUT, greet(stream, tls)).await {
                    Ok(Ok(stream)) => Service::<App>::handle_event(stream, app, stopping).await,
                    Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "no TLS"),
                    Err(_) => tracing::debug!("no TLS in time"),
                }
            });
        }
    }
}

async fn greet(
    stream: std::net::TcpStream,
    tls: Option<Arc<Acceptor>>,
) -> anyhow::Result<pingora::protocols::Stream> {
    stream.set_nonblocking(true)?;
    let peer = stream.peer_addr()?;
    let stream = TcpStream::from_std(stream)?;
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // It is new: nothing is in the way.
    let _ = digest.peer_addr.set(Some(peer.into()));
    let mut stream = Stream::from(stream);
    stream.set_socket_digest(digest);
    stream.set_nodelay()?;
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.tls_handshake(stream).await?),
    })
}

/// The threads that answer. They end with it, whatever they do.
struct Threads {
    handle: Handle,
    end: End,
}

/// How they end.
enum End {
    Many(Option<Runtime>),
    /// Its thread ends when this is dropped.
    One {
        _alive: oneshot::Sender<()>,
    },
}

impl Threads {
    fn start(count: usize) -> anyhow::Result<Self> {
        if count == 1 {
            return Self::start_one();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("edge")
            .enable_all()
            .build()
            .context("the threads that answer")?;
        Ok(Self {
            handle: runtime.handle().clone(),
            end: End::Many(Some(runtime)),
        })
    }

    /// Alone, a thread runs what is ready in the order in which it woke, and a
    /// connection after all that it answers: larger writes.
    fn start_one() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the thread that answers")?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("edge".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(ended); // an error is the end that is waited for
                runtime.shutdown_background();
            })
            .context("the thread that answers")?;
        Ok(Self {
            handle,
            end: End::One { _alive: alive },
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let End::Many(runtime) = &mut self.end
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background(); // waiting would block the process's own
        }
    }
}

fn door(address: &str) -> ListenerConfig {
    let mut options = TcpSocketOptions::default();
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: KEEP_ALIVE_IDLE,
        interval: KEEP_ALIVE_INTERVAL,
        count: KEEP_ALIVE_PROBES,
        user_timeout: Duration::ZERO,
    });
    ListenerConfig::tcp(address)
        .tcp_socket_options(options)
        .l4_buffer(L4BufferSettings {
            read: Some(READ_BUFFER_BYTES),
            ..L4BufferSettings::default()
        })
}
