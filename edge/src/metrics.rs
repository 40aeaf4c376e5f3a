//! What the edge counts, in the registry of the process. Labels come from
//! closed sets: a caller cannot add to them.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use svc_kit::metrics::{counter, gauge, histogram};

use crate::{refusal::Refusal, route::Service, upstream::pool::Pool};

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

static UPSTREAM_REPEATS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_upstream_repeats_total",
        "Requests that could be tried again, by service and whether the budget allowed it.",
        &["service", "outcome"],
    )
});

static UPSTREAM_EJECTIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_upstream_ejections_total",
        "Times that an instance was left alone because it failed, by service.",
        &["service"],
    )
});

static UPSTREAM_BREAKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_upstream_breaks_total",
        "Times that a service's breaker opened.",
        &["service"],
    )
});

static UPSTREAM_BREAKER_OPEN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_upstream_breaker_open",
        "1 while a service is not asked because it failed.",
        &["service"],
    )
});

static UPSTREAM_INSTANCES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_upstream_instances",
        "Instances by service and state: usable, ejected (it failed), unhealthy (by its checks).",
        &["service", "state"],
    )
});

static UPSTREAM_IN_FLIGHT: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_upstream_in_flight",
        "Requests to a service under way, by kind: call or stream.",
        &["service", "kind"],
    )
});

static CONNECTIONS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_connections",
        "Connections of callers that are open.",
        &[],
    )
});

static IN_FLIGHT: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("edge_requests_in_flight", "Requests being answered.", &[]));

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

/// A request was answered.
pub fn answered(method: &str, status: u16, grpc_status: Option<i32>, cache: &str, took: Duration) {
    let grpc_status = grpc_status.map(|code| code.to_string()).unwrap_or_default();
    REQUESTS
        .with_label_values(&[method, &status.to_string(), &grpc_status, cache])
        .inc();
    DURATION
        .with_label_values(&[method, cache])
        .observe(took.as_secs_f64());
}

/// A service gave no answer.
pub fn upstream_failed(service: Service, refusal: &Refusal) {
    UPSTREAM_FAILURES
        .with_label_values(&[service.name(), refusal.reason()])
        .inc();
}

/// A request could be tried again, and was if it was `paid` for.
pub fn repeated(service: Service, paid: bool) {
    let outcome = if paid { "repeated" } else { "over_budget" };
    UPSTREAM_REPEATS
        .with_label_values(&[service.name(), outcome])
        .inc();
}

/// An instance is left alone for a while.
pub fn ejected(service: Service) {
    UPSTREAM_EJECTIONS
        .with_label_values(&[service.name()])
        .inc();
}

/// A service is not asked any more.
pub fn broken(service: Service) {
    UPSTREAM_BREAKS.with_label_values(&[service.name()]).inc();
}

/// How a service does.
pub fn pool(pool: &Pool) {
    let service = pool.service().name();
    let set = |gauge: &IntGaugeVec, labels: &[&str], value: usize| {
        gauge
            .with_label_values(labels)
            .set(i64::try_from(value).unwrap_or(i64::MAX));
    };
    set(
        &UPSTREAM_BREAKER_OPEN,
        &[service],
        usize::from(pool.is_open()),
    );
    let (calls, streams) = pool.in_flight();
    set(&UPSTREAM_IN_FLIGHT, &[service, "call"], calls);
    set(&UPSTREAM_IN_FLIGHT, &[service, "stream"], streams);
    let (instances, now) = (pool.instances(), Instant::now());
    let state = |healthy, out| {
        let those = instances
            .iter()
            .filter(|one| one.is_healthy() == healthy && one.out_for(now).is_some() == out);
        those.count()
    };
    set(
        &UPSTREAM_INSTANCES,
        &[service, "usable"],
        state(true, false),
    );
    set(
        &UPSTREAM_INSTANCES,
        &[service, "ejected"],
        state(true, true),
    );
    let unhealthy = state(false, false) + state(false, true);
    set(&UPSTREAM_INSTANCES, &[service, "unhealthy"], unhealthy);
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
pub struct Live(&'static LazyLock<IntGaugeVec>);

impl Live {
    /// An open connection.
    pub fn connection() -> Self {
        Self::of(&CONNECTIONS)
    }

    /// A request being answered.
    pub fn request() -> Self {
        Self::of(&IN_FLIGHT)
    }

    fn of(gauge: &'static LazyLock<IntGaugeVec>) -> Self {
        gauge.with_label_values::<&str>(&[]).inc();
        Self(gauge)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.with_label_values::<&str>(&[]).dec();
    }
}
