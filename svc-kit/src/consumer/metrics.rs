//! What consumers count.

use std::sync::LazyLock;

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::metrics;

/// By consumer and outcome.
pub(super) static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "consumer_events_total",
        "Deliveries, by consumer and outcome: handled, duplicate, retried, dead, other.",
        &["consumer", "outcome"],
    )
});

/// From the transaction's begin to its end.
pub(super) static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    metrics::histogram(
        "consumer_duration_seconds",
        "Time of a transaction with one event or a batch, by consumer.",
        &["consumer"],
    )
});

/// Events that wait for the consumer.
pub(super) static LAG: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "consumer_lag",
        "Events not delivered yet, by consumer.",
        &["consumer"],
    )
});
