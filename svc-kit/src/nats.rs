//! The connection to NATS. It survives NATS being away, at the start and
//! later, and makes sure of the streams that keep our events. It must never
//! end a process because NATS is not there, and never change a stream that
//! exists: an operator may have.

pub(crate) mod headers;
pub mod inspect;
mod streams;
mod words;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{self, context::ContextBuilder},
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::{backoff::Backoff, secret::Secret};

pub use streams::{DEAD_LETTER_MAX_AGE, DUPLICATE_WINDOW, STREAM_MAX_AGE};
pub use words::Listener;

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often we ask whether NATS is still there.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long JetStream may take to answer a request or to acknowledge what was
/// published.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How many published events may wait for their acknowledgement.
const MAX_PENDING_PUBLISHES: usize = 1024;

/// How long to wait between attempts to connect.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// How long [`Nats::connect`] waits for the streams before it goes on without
/// them.
const STREAMS_PATIENCE: Duration = Duration::from_secs(3);

/// How often whoever waits for NATS looks whether it is there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long a process that stops waits until its last words are sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where NATS is.
#[derive(Debug, Clone, clap::Args)]
pub struct NatsConfig {
    /// Address of NATS: "nats://localhost:4222"; several with commas between.
    #[arg(
        id = "nats_url",
        long = "nats-url",
        env = "SOUK_NATS_URL",
        hide_env_values = true
    )]
    pub url: Secret,
}

impl NatsConfig {
    /// With an address, for tests.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::from(url.into()),
        }
    }
}

/// The servers of a comma-separated list.
fn servers(url: &Secret) -> anyhow::Result<Vec<ServerAddr>> {
    let servers = url.expose().split(',').map(|server| server.trim().parse());
    // The error of a malformed address would show it, and with it a password.
    servers
        .collect::<Result<_, _>>()
        .map_err(|_| anyhow::anyhow!("bad NATS address"))
}

/// The client does not take the user and the password out of an address.
fn credentials(servers: &[ServerAddr]) -> ConnectOptions {
    let named = servers
        .iter()
        .find_map(|server| Some((server.username()?, server.password()?)));
    match named {
        Some((user, password)) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        None => ConnectOptions::new(),
    }
}

/// A connection to NATS. Clones share it.
#[derive(Debug, Clone)]
pub struct Nats {
    client: Client,
    jetstream: jetstream::Context,
    connections: watch::Receiver<u64>,
    losses: watch::Receiver<u64>,
    streams_exist: watch::Receiver<bool>,
    _ensure_streams: Arc<AbortOnDropHandle<()>>,
}

impl Nats {
    /// Begins to connect, and goes on trying for as long as it lives. When
    /// NATS is there, the streams exist on return; when it is not, they are
    /// made as soon as it comes.
    ///
    /// # Errors
    /// Only when the address makes no sense.
    pub async fn connect(config: &NatsConfig) -> anyhow::Result<Self> {
        let (connected, connections) = watch::channel(0_u64);
        let (lost, losses) = watch::channel(0_u64);
        let servers = servers(&config.url)?;
        let client = credentials(&servers)
            .name(env!("CARGO_PKG_NAME"))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(CONNECT_TIMEOUT)
            .ping_interval(PING_INTERVAL)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .reconnect_delay_callback(|attempts| {
                RECONNECT.delay(u32::try_from(attempts).unwrap_or(u32::MAX))
            })
            .event_callback(move |event| {
                log(&event);
                match event {
                    Event::Connected => connected.send_modify(|count| *count += 1),
                    Event::Disconnected => lost.send_modify(|count| *count += 1),
                    _ => {}
                }
                std::future::ready(())
            })
            .connect(servers)
            .await
            .context("bad NATS address")?;
        let jetstream = ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .max_ack_inflight(MAX_PENDING_PUBLISHES)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let (exist, streams_exist) = watch::channel(false);
        let ensure = tokio::spawn(streams::ensure_on_connect(
            jetstream.clone(),
            connections.clone(),
            exist,
        ));
        let nats = Self {
            client,
            jetstream,
            connections,
            losses,
            streams_exist,
            _ensure_streams: Arc::new(AbortOnDropHandle::new(ensure)),
        };
        if tokio::time::timeout(STREAMS_PATIENCE, nats.ready())
            .await
            .is_err()
        {
            tracing::warn!("NATS is away; going on without it until it comes");
        }
        Ok(nats)
    }

    /// NATS is there right now. For readiness checks.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns when NATS is there and the streams exist.
    pub(crate) async fn ready(&self) {
        let mut streams_exist = self.streams_exist.clone();
        let mut connections = self.connections();
        while streams_exist.wait_for(|exist| *exist).await.is_err() || !self.is_connected() {
            // Whatever comes first: the event may overtake the state.
            let _ = tokio::time::timeout(LOOK_AGAIN, connections.another()).await;
        }
    }

    /// The connections that are made, or lost, from now on.
    pub(crate) fn connections(&self) -> Connections {
        let (mut made, mut lost) = (self.connections.clone(), self.losses.clone());
        made.mark_unchanged();
        lost.mark_unchanged();
        Connections { made, lost }
    }

    /// Sends what is still in the client's buffer, unless NATS is away.
    pub(crate) async fn flush(&self) {
        if self.is_connected() {
            // What is not sent is delivered again.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.client.flush()).await;
        }
    }

    pub(crate) fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }
}

/// Tells of connections.
pub(crate) struct Connections {
    made: watch::Receiver<u64>,
    lost: watch::Receiver<u64>,
}

impl Connections {
    /// Returns when NATS is there again after it was away.
    pub(crate) async fn another(&mut self) {
        happens(&mut self.made).await;
    }

    /// Returns when the connection of now is over.
    pub(crate) async fn over(&mut self) {
        tokio::select! {
            () = happens(&mut self.lost) => {}
            () = happens(&mut self.made) => {}
        }
    }
}

async fn happens(count: &mut watch::Receiver<u64>) {
    if count.changed().await.is_err() {
        // The client is gone; there will be no other.
        std::future::pending::<()>().await;
    }
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("NATS is connected"),
        Event::Disconnected => tracing::warn!("NATS is disconnected"),
        Event::Closed => tracing::info!("the connection to NATS is closed"),
        other => tracing::warn!(event = %other, "NATS says"),
    }
}
