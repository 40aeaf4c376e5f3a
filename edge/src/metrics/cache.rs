//! What is kept, purged and asked ahead.

use std::{sync::LazyLock, time::Duration};

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use svc_kit::metrics::{counter, gauge, histogram};

static CACHE_PURGES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_cache_purges_total",
        "Purges, by kind: a tag, a tag softly, or everything.",
        &["kind"],
    )
});

static PURGE_DELAY: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "edge_cache_purge_delay_seconds",
        "Time from the publication of a purge until nothing of it is served, by kind.",
        &["kind"],
    )
});

static WARMED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_cache_warmed_total",
        "Questions asked ahead of callers, by outcome: kept, passed over, failed, or not understood.",
        &["outcome"],
    )
});

static CACHE_SIZE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_cache_size",
        "What the cache holds, in bytes and in entries.",
        &["unit"],
    )
});

static CACHE_DISK_SIZE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_cache_disk_size",
        "What the cache holds on disk, in bytes and in pages.",
        &["unit"],
    )
});

static CACHE_DISK: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_cache_disk_total",
        "Pages and the disk, by what became of it: written, dropped (there was too much to write), \
         failed (the disk), busy (asked of the origin instead), or lost (it was there no more \
         when it was asked for).",
        &["outcome"],
    )
});

static CACHE_SERVED_BYTES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "edge_cache_served_bytes_total",
        "Bytes of answers served from the cache, by route.",
        &["method"],
    )
});

/// Purges of tags, heard so long after they were published.
pub fn purged_tags(count: usize, soft: bool, delay: Duration) {
    let kind = if soft { "soft" } else { "tag" };
    CACHE_PURGES.with_label_values(&[kind]).inc_by(count as u64);
    PURGE_DELAY
        .with_label_values(&[kind])
        .observe(delay.as_secs_f64());
}

/// A question was asked ahead of callers, or was not.
pub fn warmed(outcome: &str) {
    WARMED.with_label_values(&[outcome]).inc();
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

/// What the cache holds on disk.
pub fn cache_disk_size((bytes, pages): (u64, u64)) {
    for (unit, value) in [("bytes", bytes), ("pages", pages)] {
        CACHE_DISK_SIZE
            .with_label_values(&[unit])
            .set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// What became of a page and the disk.
pub fn cache_disk(outcome: &str) {
    CACHE_DISK.with_label_values(&[outcome]).inc();
}

/// An answer came from the cache.
pub fn cache_served(method: &str, bytes: usize) {
    CACHE_SERVED_BYTES
        .with_label_values(&[method])
        .inc_by(bytes as u64);
}
