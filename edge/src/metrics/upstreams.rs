//! Services, their instances, and origins.

use std::{sync::LazyLock, time::Instant};

use prometheus::{IntCounterVec, IntGaugeVec};
use svc_kit::metrics::{counter, gauge};

use crate::{refusal::Refusal, route::Service, upstream::pool::Pool};

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
