//! The command as its users have it: real servers, real signals.

#![expect(clippy::unwrap_used, reason = "tests")]

mod events;
mod processes;
mod servers;
mod supervision;
