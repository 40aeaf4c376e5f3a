//! What the edge counts, in the registry of the process. Labels come from
//! closed sets: a caller cannot add to them.

use std::{cell::RefCell, collections::HashMap, sync::LazyLock, time::Duration};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use svc_kit::metrics::{counter, gauge, histogram};

use crate::{refusal::Refusal, route::Service};

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_requests_total",
        "Requests answered, by route, HTTP status, gRPC status (empty: not gRPC) and cache outcome.",
        &["method", "status", "grpc_status", "cache"],
    )
});

static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "edge_duration_seconds",
        "Time to the end of the answer, by route and cache outcome.",
        &["method", "cache"],
    )
});

static UPSTREAM_FAILURES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_upstream_failures_total",
        "Requests to a service that got no answer, by service and reason.",
        &["service", "reason"],
    )
});

static CONNECTIONS: LazyLock<IntGauge> =
    LazyLock::new(|| lone_gauge("edge_connections", "Connections of callers that are open."));

static IN_FLIGHT: LazyLock<IntGauge> =
    LazyLock::new(|| lone_gauge("edge_requests_in_flight", "Requests being answered."));

static CACHE_PURGES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_cache_purges_total",
        "Purges, by kind: one tag, or everything.",
        &["kind"],
    )
});

static CACHE_SIZE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_cache_size",
        "What the cache holds, in bytes and in entries.",
        &["unit"],
    )
});

static CACHE_SERVED_BYTES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_cache_served_bytes_total",
        "Bytes of answers served from the cache, by route.",
        &["method"],
    )
});

static REVOKED_SESSIONS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_revoked_sessions",
        "Ended sessions whose tokens may still be about.",
        &[],
    )
});

/// A gauge without labels, found once.
fn lone_gauge(name: &str, help: &str) -> IntGauge {
    gauge(name, help, &[]).with_label_values::<&str>(&[])
}

/// What tells requests apart: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Labels {
    method: &'static str,
    status: u16,
    grpc_status: Option<i32>,
    cache: &'static str,
}

/// The counters of requests with the same labels.
#[derive(Debug, Clone)]
struct Counters {
    requests: IntCounter,
    duration: Histogram,
}

impl Counters {
    fn of(labels: Labels) -> Self {
        let Labels {
            method,
            status,
            grpc_status,
            cache,
        } = labels;
        let grpc_status = grpc_status.map(|code| code.to_string()).unwrap_or_default();
        Self {
            requests: REQUESTS.with_label_values(&[
                method,
                &status.to_string(),
                &grpc_status,
                cache,
            ]),
            duration: DURATION.with_label_values(&[method, cache]),
        }
    }
}

thread_local! {
    /// Finding a counter by the text of its labels costs more than counting.
    static COUNTERS: RefCell<HashMap<Labels, Counters>> = RefCell::default();
}
/// Labels that a thread remembers: a service chooses its statuses.
const MAX_LABELS: usize = 1000;

/// A request was answered.
pub fn answered(
    method: &'static str,
    status: u16,
    grpc_status: Option<i32>,
    cache: &'static str,
    took: Duration,
) {
    let labels = Labels {
        method,
        status,
        grpc_status,
        cache,
    };
    COUNTERS.with_borrow_mut(|known| {
        if known.len() >= MAX_LABELS && !known.contains_key(&labels) {
            known.clear();
        }
        let counters = known.entry(labels).or_insert_with(|| Counters::of(labels));
        counters.requests.inc();
        counters.duration.observe(took.as_secs_f64());
    });
}

/// A service gave no answer.
pub fn upstream_failed(service: Service, refusal: &Refusal) {
    UPSTREAM_FAILURES
        .with_label_values(&[service.name(), refusal.reason()])
        .inc();
}

/// Purges of tags.
pub fn purged_tags(count: usize) {
    CACHE_PURGES
        .with_label_values(&["tag"])
        .inc_by(count as u64);
}

/// A purge of everything.
pub fn purged_all() {
    CACHE_PURGES.with_label_values(&["all"]).inc();
}

/// What the cache holds.
pub fn cache_size((bytes, entries): (u64, u64)) {
    let set = |unit, value| {
        CACHE_SIZE
            .with_label_values(&[unit])
            .set(i64::try_from(value).unwrap_or(i64::MAX));
    };
    set("bytes", bytes);
    set("entries", entries);
}

/// An answer came from the cache.
pub fn cache_served(method: &str, bytes: usize) {
    CACHE_SERVED_BYTES
        .with_label_values(&[method])
        .inc_by(bytes as u64);
}

/// How many revoked sessions are remembered.
pub fn revoked_sessions(count: u64) {
    REVOKED_SESSIONS
        .with_label_values::<&str>(&[])
        .set(i64::try_from(count).unwrap_or(i64::MAX));
}

/// Counts for as long as it lives.
#[derive(Debug)]
pub struct Live(&'static IntGauge);

impl Live {
    /// An open connection.
    pub fn connection() -> Self {
        Self::of(&CONNECTIONS)
    }

    /// A request being answered.
    pub fn request() -> Self {
        Self::of(&IN_FLIGHT)
    }

    fn of(gauge: &'static IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.dec();
    }
}
