//! Requests and connections of callers.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
    time::Duration,
};

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    core::Collector as _,
    proto::{LabelPair, MetricFamily},
};
use serde::Serialize;
use svc_kit::metrics::{counter, gauge, histogram};

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

static CONNECTIONS: LazyLock<IntGauge> =
    LazyLock::new(|| lone_gauge("edge_connections", "Connections of callers that are open."));

static IN_FLIGHT: LazyLock<IntGauge> =
    LazyLock::new(|| lone_gauge("edge_requests_in_flight", "Requests being answered."));

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
