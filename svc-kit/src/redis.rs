//! Redis or Valkey. It may be away: every command then fails within its time,
//! and the connection comes back by itself.

use std::time::Duration;

use anyhow::Context as _;
use fred::{
    clients::Pool,
    interfaces::ClientLike as _,
    types::{
        Builder,
        config::{Config, ReconnectPolicy},
    },
};

use crate::secret::Secret;

/// How long one command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(500);

/// How long one connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest pause between two connection attempts, in milliseconds.
const RECONNECT_MAX_MS: u32 = 1000;

/// Connections of a process.
const POOL_SIZE: usize = 4;

/// Commands that may wait for one connection.
const MAX_QUEUED_COMMANDS: usize = 10_000;

/// Where Redis is.
#[derive(Debug, Clone, clap::Args)]
pub struct RedisConfig {
    /// "redis://:password@host:port".
    #[arg(
        id = "redis_url",
        long = "redis-url",
        env = "SOUK_REDIS_URL",
        hide_env_values = true
    )]
    pub url: Secret,
}

/// Connects, and goes on trying in the background when Redis is away.
///
/// # Errors
/// When the URL is malformed.
pub async fn connect(config: &RedisConfig) -> anyhow::Result<Pool> {
    let pool = builder(config)?
        .build_pool(POOL_SIZE)
        .context("the Redis pool cannot be made")?;
    pool.connect_pool();
    if tokio::time::timeout(CONNECT_TIMEOUT, pool.wait_for_connect())
        .await
        .is_err()
    {
        tracing::warn!("Redis is away; going on without it");
    }
    Ok(pool)
}

/// A builder with our limits, for a client of one's own: a subscriber.
///
/// # Errors
/// When the URL is malformed.
pub fn builder(config: &RedisConfig) -> anyhow::Result<Builder> {
    // The error of a malformed URL could show the URL, and with it a password.
    let redis = Config::from_url(config.url.expose())
        .map_err(|_| anyhow::anyhow!("the Redis URL is malformed"))?;
    let mut builder = Builder::from_config(redis);
    builder
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_TIMEOUT;
        })
        .with_connection_config(|connection| {
            connection.connection_timeout = CONNECT_TIMEOUT;
            connection.max_command_buffer_len = MAX_QUEUED_COMMANDS;
            connection.tcp.nodelay = Some(true);
        })
        .set_policy(ReconnectPolicy::new_exponential(0, 50, RECONNECT_MAX_MS, 2));
    Ok(builder)
}
