//! Workers without input. Several of each kind run beside each other, each with
//! one payment at a time, so that a slow one holds up nobody.

mod charge_requested;
pub mod forget_webhooks;
mod process_webhooks;
mod refund_captured;

use std::time::Duration;

pub use charge_requested::ChargeRequested;
pub use forget_webhooks::ForgetWebhooks;
pub use process_webhooks::ProcessWebhooks;
pub use refund_captured::RefundCaptured;

/// How many payments are charged at once by one process.
pub const CHARGE_WORKERS: usize = 16;

/// How many payments are refunded at once by one process.
pub const REFUND_WORKERS: usize = 4;

/// How many webhook events are looked into at once by one process.
pub const WEBHOOK_WORKERS: usize = 4;

/// How often a worker looks that nobody has woken.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
