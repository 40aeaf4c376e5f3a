//! svc-payment on a real database.

#![expect(clippy::unwrap_used, reason = "tests")]

mod cancel_payment;
mod charge_payment;
mod charge_together;
mod double;
mod failover;
mod get_payment;
mod harness;
mod ledger;
mod reconcile;
mod refresh_payment;
mod refund_payment;
mod refund_return;
mod request_payment;
mod retry_refund;
mod sandbox;
mod stripe;
mod stripe_server;
mod stripe_stub;
mod webhooks;
mod workers;
