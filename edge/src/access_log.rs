//! One line for each request. It tells no tokens, no query strings and nothing
//! about persons.

use pingora::{Error, proxy::Session};

use crate::{context::Context, metrics};

/// Nothing was answered: the caller left before.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Writes the line of a request and counts it.
pub fn write(session: &Session, context: &Context, error: Option<&Error>) {
    let took = context.started.elapsed();
    let status = session
        .response_written()
        .map_or(CLIENT_CLOSED_REQUEST, |answer| answer.status.as_u16());
    let grpc_status = context
        .grpc_status
        .or_else(|| context.status_reader.status())
        .filter(|_| context.protocol.is_grpc());
    let method = context.route_name();
    let cache = context.cache.name();
    metrics::answered(method, status, grpc_status, cache, took);
    tracing::info!(
        target: "edge::access",
        method,
        status,
        grpc_status,
        duration_ms = took.as_secs_f64() * 1000.0,
        cache,
        trace_id = context.trace.id(),
        upstream = context.upstream.as_deref(),
        shadow_refused = context.shadow_refused.then_some(true),
        reason = context.refusal.as_ref().map(crate::refusal::Refusal::reason),
        error = error.map(|error| error.etype().as_str()),
        "answered"
    );
}
