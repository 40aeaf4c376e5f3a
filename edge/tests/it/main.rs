//! The edge before small services of the tests' own: real listeners, real
//! connections, a real NATS.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod browsers;
mod caching;
mod failing;
mod hearing;
mod limits;
mod passing;
mod routing;
mod stopping;
mod support;
mod tls;
mod tokens;
mod without_loss;
