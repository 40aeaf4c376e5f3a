//! Where things are kept: tables in Postgres, sessions and counters in Redis.
//! Knows no rule of when what may happen.

pub mod accounts;
pub mod addresses;
pub mod login_failures;
pub mod revoked_sessions;
pub mod sessions;
pub mod signing_keys;
