//! svc-notify: tells people what happened, once.
//!
//! An event becomes a delivery in the transaction that hears of it; a worker
//! sends it later, outside of any transaction. What happens to be sent twice
//! after a crash has the same Message-ID.

pub mod contact;
pub mod delivery;
pub mod notice;

pub mod letter;

pub mod channel;

mod backoff;
pub mod error;

pub mod store;

pub mod list_deliveries;
pub mod queue_notice;
pub mod send_delivery;

pub mod consumers;
pub mod grpc;
pub mod jobs;

pub mod app;
pub mod config;

/// The tables of this service.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
