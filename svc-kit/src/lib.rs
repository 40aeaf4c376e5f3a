//! The chassis that every service stands on: it knows gRPC, Postgres, Redis,
//! JetStream and time, and no business rule.
//!
//! Read it in this order: [`run()`] starts a process, [`server`] answers
//! calls, [`db`] keeps rows, [`outbox`] announces what happened, [`consumer`]
//! hears of it, [`job`] resumes what got stuck.

pub mod admin;
pub mod auth;
pub mod backoff;
pub mod batcher;
pub mod breaker;
pub mod broadcast;
pub mod caller;
pub mod client;
pub mod clock;
pub mod consumer;
pub mod db;
pub mod dead_letter;
pub mod deadline;
pub mod error;
pub mod fault;
pub mod id;
pub mod inbox;
pub mod job;
pub mod metrics;
pub mod money;
pub mod nats;
pub mod outbox;
pub mod page;
mod panics;
pub mod parts;
pub mod random;
pub mod redis;
mod run;
pub mod secret;
pub mod server;
mod shutdown;
pub mod telemetry;
pub mod testing;

pub use run::run;
pub use shutdown::Shutdown;
