//! svc-payment: charges, refunds, and the ledger that remembers them.
//!
//! A charge is recorded, committed, and only then asked of the provider; its
//! outcome is written with balanced ledger entries in one transaction. What the
//! provider has done is never guessed.

pub mod payment;
pub mod reason;
pub mod reconciliation;
pub mod refund;
pub mod webhook;

pub mod ledger;

pub mod provider;

mod backoff;
pub mod error;

pub mod store;

pub mod announce_outcome;
pub mod cancel_payment;
pub mod charge_payment;
pub mod get_ledger;
pub mod get_payment;
pub mod get_reconciliation;
pub mod list_discrepancies;
pub mod list_refunds;
pub mod look_up_payment;
pub mod process_webhook;
pub mod receive_webhook;
pub mod reconcile;
pub mod refresh_payment;
pub mod refund_payment;
pub mod refund_return;
pub mod request_payment;
pub mod resolve_discrepancy;
pub mod retry_refund;

pub mod consumers;
pub mod grpc;
pub mod jobs;

pub mod app;
pub mod config;

/// The tables of this service.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
