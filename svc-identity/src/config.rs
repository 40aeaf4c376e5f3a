//! The configuration: flags that are also environment variables.

use anyhow::Context as _;
use clap::Parser;
use svc_kit::{
    auth::AuthConfig, db::DbConfig, nats::NatsConfig, redis::RedisConfig, secret::Secret,
    server::ServerConfig, telemetry::TelemetryConfig,
};

use crate::{account::Email, ensure_staff::Staff, password::Password};

/// Accounts, sessions, signing keys and addresses.
#[derive(Debug, Clone, Parser)]
#[command(name = "svc-identity", version)]
pub struct Config {
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Where calls are answered.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Accounts and keys.
    #[command(flatten)]
    pub db: DbConfig,
    /// Sessions and counters.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Where events go.
    #[command(flatten)]
    pub nats: NatsConfig,
    /// In whose name tokens are made, and how callers' tokens are verified.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// The address of an account that is made sure of at start, with the role
    /// "staff".
    #[arg(long, env = "SOUK_STAFF_EMAIL", hide_env_values = true)]
    pub staff_email: Option<String>,
    /// Its password.
    #[arg(long, env = "SOUK_STAFF_PASSWORD", hide_env_values = true)]
    pub staff_password: Option<Secret>,
    /// Passwords that are hashed at once; each takes 19 MiB and a core.
    #[arg(long, env = "SOUK_IDENTITY_HASH_WORKERS", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub hash_workers: u16,
}

impl Config {
    /// The staff account, if one is named. Empty values name none.
    ///
    /// # Errors
    /// When half of it is missing, or it could not log in.
    pub fn staff(&self) -> anyhow::Result<Option<Staff>> {
        let email = self.staff_email.as_deref().filter(|text| !text.is_empty());
        let password = self
            .staff_password
            .as_ref()
            .map(Secret::expose)
            .filter(|text| !text.is_empty());
        match (email, password) {
            (None, None) => Ok(None),
            (Some(email), Some(password)) => Ok(Some(Staff {
                email: Email::parse("SOUK_STAFF_EMAIL", email)?,
                password: Password::parse("SOUK_STAFF_PASSWORD", password.to_owned())?,
            })),
            _ => None.context("SOUK_STAFF_EMAIL and SOUK_STAFF_PASSWORD go together"),
        }
    }
}
