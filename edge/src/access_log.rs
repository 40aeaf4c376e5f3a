//! One line for each request, or one for some of them. It tells no tokens, no
//! query strings and nothing about persons.

mod sampling;

use std::time::Duration;

use pingora::{Error, ErrorSource, proxy::Session};

pub use self::sampling::Rule;
use self::sampling::{Facts, Sampling};
use crate::{address, context::Context, metrics, route::Route};

/// Nothing was answered: the caller left before.
const CLIENT_CLOSED_REQUEST: u16 = 499;
/// Codes of gRPC that are the shop's fault: unknown, deadline exceeded,
/// internal, unavailable, data loss.
const FAILURES: [i32; 5] = [2, 4, 13, 14, 15];

/// What the access log tells.
#[derive(Debug, Clone, clap::Args)]
pub struct AccessLogConfig {
    /// Of requests that went well, how many have a line: "hit=100,read=10,4xx=5"
    /// is one hit in 100, one read in 10, and so on; 0: none. Before the "=" is
    /// an outcome of the cache (hit, stale, miss, collapsed, bypass), a limit's
    /// class (read, write, search, auth) or a status ("404", "4xx"). The first
    /// rule that fits counts. What fits none, failed or was slow has a line
    /// always.
    #[arg(long, env = "SOUK_EDGE_ACCESS_LOG_SAMPLE", value_delimiter = ',')]
    pub access_log_sample: Vec<Rule>,
    /// From how many milliseconds on a request counts as slow.
    #[arg(long, env = "SOUK_EDGE_ACCESS_LOG_SLOW_MS", default_value_t = 1000)]
    pub access_log_slow_ms: u64,
    /// What is told of the caller's address: its network is the first 24 bits
    /// of IPv4, the first 48 of IPv6.
    #[arg(long, env = "SOUK_EDGE_ACCESS_LOG_CLIENT", default_value = "network")]
    pub access_log_client: ClientTold,
}

/// The flags of the access log.
pub const KEYS: &[&str] = &[
    "access-log-sample",
    "access-log-slow-ms",
    "access-log-client",
];

/// What is told of the caller's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClientTold {
    /// Nothing.
    Off,
    /// Its network.
    Network,
    /// All of it, which is about a person.
    Full,
}

/// Writes the lines.
#[derive(Debug)]
pub struct AccessLog {
    sampling: Sampling,
    slow: Duration,
    client: ClientTold,
}

impl AccessLog {
    /// Writes what the configuration asks for.
    pub fn new(config: &AccessLogConfig) -> Self {
        Self {
            sampling: Sampling::new(&config.access_log_sample),
            slow: Duration::from_millis(config.access_log_slow_ms),
            client: config.access_log_client,
        }
    }

    /// Counts a request and writes its line, if it is to have one.
    pub fn write(&self, session: &Session, context: &Context, error: Option<&Error>) {
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
        let failed = status >= 500
            || grpc_status.is_some_and(|code| FAILURES.contains(&code))
            || error.is_some_and(|error| *error.esource() != ErrorSource::Downstream);
        let stands_for = if failed || took >= self.slow {
            1
        } else {
            let facts = Facts {
                cache,
                class: context.route.as_ref().map(Route::limit),
                status,
            };
            let Some(stands_for) = self.sampling.pick(&facts) else {
                return;
            };
            stands_for
        };
        let client = match self.client {
            ClientTold::Off => None,
            ClientTold::Network => Some(address::network(context.caller)),
            ClientTold::Full => Some(context.caller),
        };
        tracing::info!(
            target: "edge::access",
            method,
            status,
            grpc_status,
            duration_ms = took.as_secs_f64() * 1000.0,
            cache,
            client = client.map(tracing::field::display),
            trace_id = context.trace.id(),
            upstream = context.upstream.as_deref(),
            shadow_refused = context.shadow_refused.then_some(true),
            reason = context.refusal.as_ref().map(crate::refusal::Refusal::reason),
            error = error.map(|error| error.etype().as_str()),
            stands_for,
            "answered"
        );
    }
}
