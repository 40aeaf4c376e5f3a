//! The order service's clock, set forward while it starts.

use std::process::Command;

use anyhow::Context as _;

use crate::checkout;
use crate::stack::Process;

/// The variable that sets it forward, in milliseconds.
pub(super) const OFFSET: &str = "SOUK_CHECKOUT_CLOCK_OFFSET_MS";
/// Ten minutes.
pub(super) const JUMP_MS: &str = "600000";

/// Whether the built service knows the variable.
pub(super) fn can_jump() -> anyhow::Result<bool> {
    // A probe of a millisecond: it cannot outlive us.
    let help = Command::new(checkout::binary(None, Process::Order.name())?)
        .arg("--help")
        .output()
        .context("svc-order --help")?;
    Ok(String::from_utf8_lossy(&help.stdout).contains(OFFSET))
}
