//! Configuration: flags that are also environment variables.

use svc_kit::{
    auth::AuthConfig, db::DbConfig, nats::NatsConfig, redis::RedisConfig, server::ServerConfig,
    telemetry::TelemetryConfig,
};

use crate::search::MeilisearchConfig;

/// Products, categories, prices, stock and search.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "svc-catalog", version)]
pub struct Config {
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Where it listens.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Its database.
    #[command(flatten)]
    pub db: DbConfig,
    /// Its cache.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Its events.
    #[command(flatten)]
    pub nats: NatsConfig,
    /// Whose tokens it accepts.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// Its search server.
    #[command(flatten)]
    pub meilisearch: MeilisearchConfig,
    /// How long stock is held for an order that nobody confirms or cancels, in
    /// seconds.
    #[arg(long, env = "SOUK_RESERVATION_TTL_SECONDS", default_value_t = 1800)]
    pub reservation_ttl_seconds: u64,
}
