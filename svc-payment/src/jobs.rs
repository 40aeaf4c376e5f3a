//! Workers without input. Several of each kind run beside each other, so that a
//! slow one holds up nobody.

mod charge_requested;
pub mod forget_webhooks;
mod process_webhooks;
mod reconcile_days;
mod refund_captured;

use std::time::Duration;

pub use charge_requested::ChargeRequested;
pub use forget_webhooks::ForgetWebhooks;
pub use process_webhooks::ProcessWebhooks;
pub use reconcile_days::ReconcileDays;
pub use refund_captured::RefundCaptured;

/// How many workers of one process charge payments. As many slow ones, however
/// few come with each, do not hold up the next.
pub const CHARGE_WORKERS: usize = 16;

/// How many payments are refunded at once by one process.
pub const REFUND_WORKERS: usize = 4;

/// How many webhook events are looked into at once by one process.
pub const WEBHOOK_WORKERS: usize = 4;

/// How often somebody looks whether a day is to be compared.
pub const RECONCILE_EVERY: Duration = Duration::from_mins(1);

/// How often a worker looks that nobody has woken.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
