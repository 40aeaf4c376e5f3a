//! The kit on real servers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod admin;
mod broadcast;
mod consume;
mod dead_letter;
mod inbox;
mod job;
mod keys;
mod outage;
mod relay;
mod relay_killed;
mod retry;
mod serve;
mod support;
mod tokens;
mod trace;
mod wycheproof;
