//! All SQL of this service, a table a file.

pub mod contacts;
pub mod deliveries;
pub mod wake;

use std::time::Duration;

/// How long who has claimed a delivery may take with it. Longer than sending
/// it and what is written before and after.
pub const LEASE: Duration = Duration::from_mins(2);
