//! What an operator may set, by flags or by the environment.

use std::time::Duration;

use chrono::TimeDelta;
use svc_kit::{
    auth::AuthConfig, client::ClientConfig, db::DbConfig, nats::NatsConfig, redis::RedisConfig,
    server::ServerConfig, telemetry::TelemetryConfig,
};

use crate::{checkout::CheckoutRules, fraud::FraudConfig, watch::WatchLimits};

/// Carts and orders.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "svc-order", version, about)]
pub struct Config {
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
    /// Where calls are answered.
    #[command(flatten)]
    pub server: ServerConfig,
    /// Where orders are.
    #[command(flatten)]
    pub db: DbConfig,
    /// Where carts are.
    #[command(flatten)]
    pub redis: RedisConfig,
    /// Where events are.
    #[command(flatten)]
    pub nats: NatsConfig,
    /// Whose tokens are accepted.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// How neighbours are called.
    #[command(flatten)]
    pub client: ClientConfig,
    /// Where svc-catalog answers: "http://host:port".
    #[arg(long, env = "SOUK_CATALOG_URL")]
    pub catalog_url: String,
    /// How checkouts are resumed.
    #[command(flatten)]
    pub checkout: CheckoutConfig,
    /// Which orders are doubted.
    #[command(flatten)]
    pub fraud: FraudConfig,
    /// How much is watched.
    #[command(flatten)]
    pub watch: WatchConfig,
}

/// How checkouts are resumed.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckoutConfig {
    /// How often unfinished checkouts are looked at, in milliseconds.
    #[arg(long, env = "SOUK_CHECKOUT_LOOK_EVERY_MS", default_value_t = 5000, value_parser = positive())]
    pub checkout_look_every_ms: u64,
    /// How long a step may take before it is announced again, in
    /// milliseconds; doubles with each announcement.
    #[arg(long, env = "SOUK_CHECKOUT_ANNOUNCE_AFTER_MS", default_value_t = 60_000, value_parser = positive())]
    pub checkout_announce_after_ms: u64,
    /// The longest wait between two announcements, in milliseconds.
    #[arg(long, env = "SOUK_CHECKOUT_ANNOUNCE_CEILING_MS", default_value_t = 240_000, value_parser = positive())]
    pub checkout_announce_ceiling_ms: u64,
    /// How old an unfinished order becomes before it is cancelled, in
    /// milliseconds. Stock must stay reserved for longer.
    #[arg(long, env = "SOUK_CHECKOUT_TIMEOUT_MS", default_value_t = 900_000, value_parser = positive())]
    pub checkout_timeout_ms: u64,
    /// How much the clock is off by which unfinished checkouts are looked at,
    /// in milliseconds; negative: behind. For drills alone.
    #[arg(long, env = "SOUK_CHECKOUT_CLOCK_OFFSET_MS", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-MAX_OFFSET_MS..=MAX_OFFSET_MS))]
    pub checkout_clock_offset_ms: i64,
}

/// How much is watched.
#[derive(Debug, Clone, clap::Args)]
pub struct WatchConfig {
    /// The most streams of all accounts together.
    #[arg(long, env = "SOUK_WATCHES_MAX", default_value_t = 10_000)]
    pub watches_max: usize,
    /// The most streams of one account.
    #[arg(long, env = "SOUK_WATCHES_PER_ACCOUNT", default_value_t = 20)]
    pub watches_per_account: usize,
}

/// The longest span of time that can be set: a day, in milliseconds.
const MAX_SPAN_MS: u64 = 24 * 60 * 60 * 1000;

/// The most that the reconciler's clock can be off: a day, in milliseconds.
const MAX_OFFSET_MS: i64 = 24 * 60 * 60 * 1000;

fn positive() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=MAX_SPAN_MS)
}

impl CheckoutConfig {
    /// As the rules have it.
    pub fn rules(&self) -> CheckoutRules {
        CheckoutRules {
            announce_after: Duration::from_millis(self.checkout_announce_after_ms),
            announce_ceiling: Duration::from_millis(self.checkout_announce_ceiling_ms),
            timeout: Duration::from_millis(self.checkout_timeout_ms),
            clock_offset: TimeDelta::milliseconds(self.checkout_clock_offset_ms),
        }
    }

    /// How often unfinished checkouts are looked at.
    pub fn look_every(&self) -> Duration {
        Duration::from_millis(self.checkout_look_every_ms)
    }
}

impl WatchConfig {
    /// As the counter has it.
    pub fn limits(&self) -> WatchLimits {
        WatchLimits {
            total: self.watches_max,
            per_account: self.watches_per_account,
        }
    }
}
