//! What the platform team may know of the services behind the edge.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Json, Router, routing::get};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use svc_kit::clock::Clock;

use super::{Upstreams, instance::Instance, pool::Pool};

/// All services.
#[derive(Debug, Serialize)]
struct Report {
    services: Vec<ServiceState>,
}

#[derive(Debug, Serialize)]
struct ServiceState {
    service: &'static str,
    /// "closed": it is asked; "open": it is not.
    breaker: &'static str,
    calls_in_flight: usize,
    streams_in_flight: usize,
    instances: Vec<InstanceState>,
}

#[derive(Debug, Serialize)]
struct InstanceState {
    address: SocketAddr,
    /// Whether its health checks are passed.
    healthy: bool,
    /// Until when it is left alone because it failed.
    ejected_until: Option<DateTime<Utc>>,
    /// How slow it is; nothing when that is not known.
    ewma_ms: Option<f64>,
    in_flight: usize,
}

/// `GET /upstreams`
pub fn router(upstreams: Upstreams, clock: Clock) -> Router {
    let report = move || {
        let report = report(&upstreams, &clock);
        async { Json(report) }
    };
    Router::new().route("/upstreams", get(report))
}

fn report(upstreams: &Upstreams, clock: &Clock) -> Report {
    let (now, time) = (Instant::now(), clock.now());
    let services = upstreams.pools().map(|pool| of_service(pool, now, time));
    Report {
        services: services.collect(),
    }
}

fn of_service(pool: &Pool, now: Instant, time: DateTime<Utc>) -> ServiceState {
    let (calls_in_flight, streams_in_flight) = pool.in_flight();
    let instances = pool.instances();
    ServiceState {
        service: pool.service().name(),
        breaker: if pool.is_open() { "open" } else { "closed" },
        calls_in_flight,
        streams_in_flight,
        instances: instances
            .iter()
            .map(|one| of_instance(one, now, time))
            .collect(),
    }
}

fn of_instance(instance: &Instance, now: Instant, time: DateTime<Utc>) -> InstanceState {
    let seconds = instance.latency_seconds(now);
    let until = |left: Duration| time.checked_add_signed(TimeDelta::from_std(left).ok()?);
    InstanceState {
        address: instance.address(),
        healthy: instance.is_healthy(),
        ejected_until: instance.out_for(now).and_then(until),
        ewma_ms: (seconds > 0.0).then_some(seconds * 1000.0),
        in_flight: instance.in_flight(),
    }
}
