//! What this service counts besides what the kit counts.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, IntGaugeVec};
use svc_kit::metrics;

/// Orders that were placed.
pub(crate) static PLACED: LazyLock<IntCounterVec> =
    LazyLock::new(|| metrics::counter("order_placed_total", "Orders placed.", &[]));

/// Checkouts that the reconciler resumed, by what it did.
pub(crate) static RESUMED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "order_checkouts_resumed_total",
        "Checkouts that got stuck, by what was done: announced, timed_out, failed.",
        &["outcome"],
    )
});

/// Orders that are pending or reserved.
pub(crate) static UNFINISHED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "order_unfinished_checkouts",
        "Orders that are pending or reserved.",
        &[],
    )
});

/// The age of the oldest order that is pending or reserved.
pub(crate) static OLDEST: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "order_unfinished_checkout_oldest_seconds",
        "Age of the oldest order that is pending or reserved.",
        &[],
    )
});

/// Streams that are open.
pub(crate) static WATCHES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "order_watches",
        "Streams of orders and carts that are open.",
        &[],
    )
});
