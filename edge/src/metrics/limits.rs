//! How often callers call.

use std::{sync::LazyLock, time::Duration};

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use svc_kit::metrics::{counter, gauge, histogram};

static RATE_DECISIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_rate_decisions_total",
        "Requests counted against a limit, by class, by who decided (redis, lease, memory, local \
         or unknown) and outcome: allowed, refused, or shadow, which would have been refused.",
        &["class", "decider", "outcome"],
    )
});

static RATE_REDIS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "edge_rate_redis_seconds",
        "Round trips to Redis for limits, by outcome.",
        &["outcome"],
    )
});

static RATE_ALONE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_rate_alone",
        "1 while this edge counts its share of limits by itself, without Redis.",
        &[],
    )
});

static FLEET_SIZE: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("edge_fleet_size", "Edges that are heard of.", &[]));

/// A request was counted against a limit.
pub fn rate_decided(class: &str, decider: &str, outcome: &str) {
    RATE_DECISIONS
        .with_label_values(&[class, decider, outcome])
        .inc();
}

/// Redis was asked.
pub fn rate_redis(took: Duration, answered: bool) {
    let outcome = if answered { "answered" } else { "failed" };
    RATE_REDIS
        .with_label_values(&[outcome])
        .observe(took.as_secs_f64());
}

/// Whether this edge counts by itself.
pub fn rate_alone(alone: bool) {
    RATE_ALONE
        .with_label_values::<&str>(&[])
        .set(i64::from(alone));
}

/// How many edges there are.
pub fn fleet_size(count: u64) {
    FLEET_SIZE
        .with_label_values::<&str>(&[])
        .set(i64::try_from(count).unwrap_or(i64::MAX));
}
