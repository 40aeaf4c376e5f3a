//! Workers without input. Several run beside each other, each with few messages
//! at a time, so that a slow mail server holds up few.

mod send_queued;

use std::time::Duration;

pub use send_queued::SendQueued;

/// How many workers of one process send messages. A mail server sees as many
/// connections at most as all of them have messages at a time.
pub const SEND_WORKERS: usize = 8;

/// How often a worker looks that nobody has woken.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
