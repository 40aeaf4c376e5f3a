//! The edge before small services of the tests' own: real listeners, real
//! connections, a real NATS.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod browsers;
mod caching;
mod failing;
mod fleet;
mod hardening;
mod hardening_h2;
mod hearing;
mod http_caching;
mod limits;
mod limits_in_a_fleet;
mod limits_in_lua;
mod malformed;
mod operating;
mod passing;
mod revocations;
mod routing;
mod slow;
mod stopping;
mod support;
mod tls;
mod tokens;
mod upstreams;
mod warming;
mod without_loss;
