//! Metrics in the one Prometheus registry of the process.

use std::{sync::LazyLock, time::Duration};

use prometheus::{
    Encoder as _, HistogramVec, IntCounterVec, IntGaugeVec, Opts, TextEncoder, histogram_opts,
};

/// Buckets for what people wait for, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "rpc_server_requests_total",
        "Calls answered, by method and gRPC code.",
        &["method", "code"],
    )
});

static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "rpc_server_duration_seconds",
        "Time to the answer, by method.",
        &["method"],
    )
});

/// Counts one call that was answered.
pub(crate) fn answered(method: &str, code: &str, took: Duration) {
    REQUESTS.with_label_values(&[method, code]).inc();
    DURATION
        .with_label_values(&[method])
        .observe(took.as_secs_f64());
}

/// A counter in the process's registry. Make it once, in a `static`.
pub fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(IntCounterVec::new(Opts::new(name, help), labels))
}

/// A gauge in the process's registry. Make it once, in a `static`.
pub fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(IntGaugeVec::new(Opts::new(name, help), labels))
}

/// A histogram of seconds in the process's registry. Make it once, in a
/// `static`.
pub fn histogram(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    registered(HistogramVec::new(
        histogram_opts!(name, help, SECONDS.to_vec()),
        labels,
    ))
}

fn registered<M>(metric: prometheus::Result<M>) -> M
where
    M: prometheus::core::Collector + Clone + 'static,
{
    #[expect(
        clippy::expect_used,
        reason = "names and labels are constants of the program; a test that touches them would fail"
    )]
    let metric = metric.expect("metric names and labels are well formed");
    if let Err(error) = prometheus::register(Box::new(metric.clone())) {
        tracing::error!(%error, "metric not registered");
    }
    metric
}

/// All metrics as Prometheus reads them.
pub fn text() -> String {
    let mut buffer = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&prometheus::gather(), &mut buffer) {
        tracing::error!(%error, "metrics not encoded");
    }
    String::from_utf8(buffer).unwrap_or_default()
}
