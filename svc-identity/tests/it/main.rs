//! Tests of svc-identity on a real Postgres and a real Redis, one file a verb.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod create_address;
mod delete_address;
mod end_families;
mod ensure_staff;
mod get_profile;
mod harness;
mod log_in;
mod log_out;
mod naughty_strings;
mod process;
mod refresh_tokens;
mod register;
mod rotate_keys;
mod update_address;
mod update_profile;
