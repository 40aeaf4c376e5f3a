//! What the edge counts, in the registry of the process. Labels come from
//! closed sets: a caller cannot add to them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
    time::{Duration, Instant},
};

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    core::Collector as _,
    proto::{LabelPair, MetricFamily},
};
use serde::Serialize;
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

static CONNECTIONS: LazyLock<IntGauge> =
    LazyLock::new(|| lone_gauge("edge_connections", "Connections of callers that are open."));

static IN_FLIGHT: LazyLock<IntGauge> =
    LazyLock::new(|| lone_gauge("edge_requests_in_flight", "Requests being answered."));

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

static CAUGHT_UP: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "edge_caught_up",
        "Whether all is known that was published: purges, and ends of sessions.",
        &["signal"],
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
/// A gauge without labels, found once.
fn lone_gauge(name: &str, help: &str) -> IntGauge {
    gauge(name, help, &[]).with_label_values::<&str>(&[])
}

/// What tells requests of one route apart: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Labels {
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
    fn of(method: &str, labels: Labels) -> Self {
        let Labels {
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
    static COUNTERS: RefCell<HashMap<String, HashMap<Labels, Counters>>> = RefCell::default();
}

/// Labels of one route that a thread remembers: a service chooses its statuses.
const MAX_LABELS: usize = 100;
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
pub fn answered(
    method: &str,
    status: u16,
    grpc_status: Option<i32>,
    cache: &'static str,
    took: Duration,
) {
    let labels = Labels {
        status,
        grpc_status,
        cache,
    };
    COUNTERS.with_borrow_mut(|known| {
        if !known.contains_key(method) {
            known.insert(method.to_owned(), HashMap::new());
        }
        let Some(known) = known.get_mut(method) else {
            return; // it was put there just now
        };
        if known.len() >= MAX_LABELS && !known.contains_key(&labels) {
            known.clear();
        }
        let counters = known
            .entry(labels)
            .or_insert_with(|| Counters::of(method, labels));
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

/// An origin of plain HTTP gave no answer. Its prefix stands as the service.
pub fn origin_failed(prefix: &str, refusal: &Refusal) {
    UPSTREAM_FAILURES
        .with_label_values(&[prefix, refusal.reason()])
        .inc();
}

/// What became of the reads of a method whose answers are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reads {
    /// Answered from the cache, fresh.
    pub hit: u64,
    /// Answered from the cache, stale.
    pub stale: u64,
    /// Answered by another caller's fetch.
    pub collapsed: u64,
    /// Asked for.
    pub miss: u64,
    /// Asked about, and still good.
    pub revalidated: u64,
    /// Not a question that the cache can read.
    pub bypass: u64,
}

impl Reads {
    /// The part that cost no call to a service; `None` without reads.
    pub fn hit_ratio(&self) -> Option<f64> {
        let saved = self.hit + self.stale + self.collapsed;
        let all = saved + self.miss + self.revalidated + self.bypass;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio need not be exact to the last of 2^52 reads"
        )]
        (all > 0).then(|| saved as f64 / all as f64)
    }
}

/// The reads so far, by method.
pub fn reads() -> BTreeMap<String, Reads> {
    let mut reads = BTreeMap::<String, Reads>::new();
    let families = REQUESTS.collect();
    for metric in families.iter().flat_map(MetricFamily::get_metric) {
        let label = |name| {
            let label = metric.get_label().iter().find(|label| label.name() == name);
            label.map_or("", LabelPair::value)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        let count = metric.get_counter().get_value() as u64;
        let method = || label("method").to_owned();
        let mut add = |to: fn(&mut Reads) -> &mut u64| {
            *to(reads.entry(method()).or_default()) += count;
        };
        match label("cache") {
            "hit" => add(|reads| &mut reads.hit),
            "stale" => add(|reads| &mut reads.stale),
            "collapsed" => add(|reads| &mut reads.collapsed),
            "miss" => add(|reads| &mut reads.miss),
            "revalidated" => add(|reads| &mut reads.revalidated),
            "bypass" => add(|reads| &mut reads.bypass),
            _ => {}
        }
    }
    reads
}

/// Purges of tags, heard so long after they were published.
pub fn purged_tags(count: usize, soft: bool, delay: Duration) {
    let kind = if soft { "soft" } else { "tag" };
    CACHE_PURGES.with_label_values(&[kind]).inc_by(count as u64);
    PURGE_DELAY
        .with_label_values(&[kind])
        .observe(delay.as_secs_f64());
}

/// Whether all is known that was published.
pub fn caught_up(signal: &str, caught_up: bool) {
    CAUGHT_UP
        .with_label_values(&[signal])
        .set(i64::from(caught_up));
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
