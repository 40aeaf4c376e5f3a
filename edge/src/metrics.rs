//! What the edge counts, in the registry of the process. Labels come from
//! closed sets: a caller cannot add to them.

mod cache;
mod limits;
mod requests;
mod upstreams;

use std::{sync::LazyLock, time::Duration};

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use svc_kit::metrics::{counter, gauge, histogram};

pub use self::cache::{
    cache_disk, cache_disk_size, cache_served, cache_size, purged_all, purged_tags, warmed,
};
pub use self::limits::{fleet_size, rate_alone, rate_decided, rate_redis};
pub use self::requests::{Live, Reads, answered, reads};
pub use self::upstreams::{broken, ejected, origin_failed, pool, repeated, upstream_failed};

static CAUGHT_UP: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_caught_up",
        "Whether all is known that was published: purges, and ends of sessions.",
        &["signal"],
    )
});

static REVOKED_SESSIONS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_revoked_sessions",
        "Ended sessions whose tokens may still be about.",
        &[],
    )
});

static REVOCATION_DELAY: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "edge_revocation_delay_seconds",
        "Time from the end of a session to the refusal of its tokens here.",
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

/// Whether all is known that was published.
pub fn caught_up(signal: &str, caught_up: bool) {
    CAUGHT_UP
        .with_label_values(&[signal])
        .set(i64::from(caught_up));
}

/// How many revoked sessions are remembered.
pub fn revoked_sessions(count: u64) {
    REVOKED_SESSIONS
        .with_label_values::<&str>(&[])
        .set(i64::try_from(count).unwrap_or(i64::MAX));
}

/// A session ended so long ago, and its tokens are refused from now on.
pub fn revoked(after: Duration) {
    REVOCATION_DELAY
        .with_label_values::<&str>(&[])
        .observe(after.as_secs_f64());
}
