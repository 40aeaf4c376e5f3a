//! Accounts, sessions, the keys that sign access tokens, and address books.
//!
//! Nobody but this service sees a password, a refresh token or a private key.
//! Reading order: the nouns, then the verbs, then what carries them.

pub mod access_token;
pub mod account;
pub mod address;
pub mod password;
pub mod refresh_token;
pub mod session;
pub mod signing_key;
pub mod text;

pub mod create_address;
pub mod delete_address;
pub mod ensure_staff;
pub mod get_profile;
pub mod list_addresses;
pub mod log_in;
pub mod log_out;
pub mod open_session;
pub mod refresh_tokens;
pub mod register;
pub mod revoke_session;
pub mod update_address;
pub mod update_profile;

pub mod hasher;
pub mod keyring;
pub mod lockout;
pub mod store;

pub mod app;
pub mod config;
pub mod error;
pub mod grpc;
pub mod jobs;
pub mod jwks;

/// The service's own tables; the kit adds the outbox.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
