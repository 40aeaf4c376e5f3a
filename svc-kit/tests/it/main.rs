//! The kit on real servers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod serve;
