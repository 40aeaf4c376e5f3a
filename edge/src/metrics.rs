//! What the edge counts, in the registry of the process. Labels come from
//! closed sets: a caller cannot add to them.

use std::{sync::LazyLock, time::Duration};

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
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

static CERTIFICATE_EXPIRES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_certificate_expires_seconds",
        "When a TLS certificate ends, as seconds since 1970, by its first name.",
        &["certificate"],
    )
});

static CERTIFICATE_READS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_certificate_reads_total",
        "Changed TLS certificates, by first name and outcome: replaced or refused.",
        &["certificate", "outcome"],
    )
});

static CONFIG_RELOADS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_config_reloads_total",
        "Reloads of the configuration, by outcome: applied or refused.",
        &["outcome"],
    )
});

static LOG_DROPPED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_log_dropped_total",
        "Records of libraries that came too fast to be logged.",
        &[],
    )
});

/// The certificates that are shown: their first names and when they end.
pub fn certificates<'a>(shown: impl Iterator<Item = (&'a str, i64)>) {
    CERTIFICATE_EXPIRES.reset();
    for (name, unix_seconds) in shown {
        CERTIFICATE_EXPIRES
            .with_label_values(&[name])
            .set(unix_seconds);
    }
}

/// A certificate has changed.
pub fn certificate_read(name: &str, outcome: &str) {
    CERTIFICATE_READS.with_label_values(&[name, outcome]).inc();
}

/// The configuration was to be reloaded.
pub fn config_reloaded(outcome: &str) {
    CONFIG_RELOADS.with_label_values(&[outcome]).inc();
}

/// A library's record was not logged.
pub fn log_dropped() {
    LOG_DROPPED.with_label_values::<&str>(&[]).inc();
}

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
