//! One instance of a service: its address, how it does, and how much it has to
//! do.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use pingora::upstreams::peer::HttpPeer;

use super::{
    choice,
    ejection::Ejection,
    health::Health,
    latency::{self, PeakEwma},
};
use crate::{metrics, route::Service};

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
/// An instance that declines a request counts as so many times slower than it
/// was, so that one that declines fast does not look like a fast one...
const DECLINED_FACTOR: u32 = 10;
/// ...within these bounds.
const DECLINED_LATENCY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// An instance of a service.
#[derive(Debug)]
pub struct Instance {
    service: Service,
    address: SocketAddr,
    /// For logs: "catalog@127.0.0.1:50051".
    label: Arc<str>,
    /// The same in every edge.
    identity: u64,
    /// Made once; each request takes a copy.
    peer: HttpPeer,
    in_flight: AtomicUsize,
    latency: Mutex<PeakEwma>,
    healthy: AtomicBool,
    health: Mutex<Health>,
    ejection: Mutex<Ejection>,
    /// Whether `ejection` holds anything against it.
    accused: AtomicBool,
    /// Until when it is left alone, in milliseconds since `epoch`.
    out_until_ms: AtomicU64,
    epoch: Instant,
}

impl Instance {
    /// One of which nothing is known but the address.
    pub fn new(service: Service, address: SocketAddr, now: Instant) -> Self {
        let mut peer = HttpPeer::new(address, false, String::new());
        // Services that share an address share no connection.
        peer.group_key = choice::hash([service.name().as_bytes()]);
        let options = &mut peer.options;
        options.set_http_version(2, 2);
        options.max_h2_streams = MAX_STREAMS;
        options.write_timeout = Some(WRITE_TIMEOUT);
        options.idle_timeout = Some(IDLE_TIMEOUT);
        options.h2_ping_interval = Some(PING_INTERVAL);
        Self {
            service,
            address,
            label: format!("{}@{address}", service.name()).into(),
            identity: choice::hash([address.to_string().as_bytes()]),
            peer,
            in_flight: AtomicUsize::new(0),
            latency: Mutex::new(PeakEwma::new(now)),
            healthy: AtomicBool::new(true),
            health: Mutex::default(),
            ejection: Mutex::default(),
            accused: AtomicBool::new(false),
            out_until_ms: AtomicU64::new(0),
            epoch: now,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its service and address, for logs.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// A hash of its address, the same in every edge.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// How to reach it: an answer must begin, and go on, within
    /// `read_timeout`; `left` is what is left of the request's time.
    pub fn peer(&self, read_timeout: Duration, left: Duration) -> HttpPeer {
        let mut peer = self.peer.clone();
        let connect_timeout = Some(CONNECT_TIMEOUT.min(left));
        peer.options.connection_timeout = connect_timeout;
        peer.options.total_connection_timeout = connect_timeout;
        peer.options.read_timeout = Some(read_timeout);
        peer
    }

    /// Requests that it works on.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// One request more.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// One request less.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// How slow it is, in seconds; zero when nothing is known.
    pub fn latency_seconds(&self, now: Instant) -> f64 {
        lock(&self.latency).seconds(now)
    }

    /// What one more request would cost it.
    pub fn cost(&self, now: Instant) -> f64 {
        latency::cost(self.latency_seconds(now), self.in_flight())
    }

    /// Whether its health checks are passed.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// For how much longer it is left alone because it failed.
    pub fn out_for(&self, now: Instant) -> Option<Duration> {
        let until = Duration::from_millis(self.out_until_ms.load(Relaxed));
        let left = until.saturating_sub(now.saturating_duration_since(self.epoch));
        (!left.is_zero()).then_some(left)
    }

    /// Whether it should be asked at all.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.is_healthy() && self.out_for(now).is_none()
    }

    /// It answered, after so long if that says something about it.
    pub(super) fn answered(&self, latency: Option<Duration>, now: Instant) {
        if let Some(latency) = latency {
            lock(&self.latency).observe(latency, now);
        }
        if self.accused.swap(false, Relaxed) {
            lock(&self.ejection).succeeded();
        }
    }

    /// It answered that it cannot answer.
    pub(super) fn declined(&self, now: Instant) {
        let mut latency = lock(&self.latency);
        let usual = Duration::from_secs_f64(latency.seconds(now));
        let (least, most) = DECLINED_LATENCY;
        latency.observe_at_least((DECLINED_FACTOR * usual).clamp(least, most), now);
    }

    /// Nobody waits any more, after so long.
    pub(super) fn kept_waiting(&self, waited: Duration, now: Instant) {
        lock(&self.latency).observe_at_least(waited, now);
    }

    /// It did not answer, after so long. `allowed` says whether it may be left
    /// alone for it.
    pub(super) fn failed(&self, waited: Duration, now: Instant, allowed: impl FnOnce() -> bool) {
        if self.out_for(now).is_some() {
            return; // this was still under way
        }
        self.accused.store(true, Relaxed);
        let (pause, is_due) = {
            let mut ejection = lock(&self.ejection);
            (ejection.failed(now, allowed), ejection.is_due())
        };
        let Some(pause) = pause else {
            self.kept_waiting(waited, now);
            if is_due {
                self.declined(now); // it stays, but others are better
            }
            return;
        };
        let until = now.saturating_duration_since(self.epoch) + pause;
        self.out_until_ms.store(millis(until), Relaxed);
        self.forget_latency(now);
        metrics::ejected(self.service);
        tracing::warn!(
            instance = &*self.label,
            pause_ms = millis(pause),
            "instance left alone"
        );
    }

    /// When it comes back, a single request tries it: the cost of one of which
    /// nothing is known is high as soon as it has something to do.
    fn forget_latency(&self, now: Instant) {
        *lock(&self.latency) = PeakEwma::new(now);
    }

    /// A health check was passed, or why not.
    pub(super) fn checked(&self, outcome: anyhow::Result<()>) {
        let Some(healthy) = lock(&self.health).checked(outcome.is_ok()) else {
            return;
        };
        self.healthy.store(healthy, Relaxed);
        match outcome {
            Ok(()) => {
                *lock(&self.ejection) = Ejection::default();
                self.out_until_ms.store(0, Relaxed);
                self.forget_latency(Instant::now());
                tracing::info!(instance = &*self.label, "instance is healthy");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(instance = &*self.label, error, "instance is not healthy");
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What lies within is whole after each change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
