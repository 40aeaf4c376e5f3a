//! How often a caller may call, as flags.

use clap::ValueEnum;
use svc_kit::secret::Secret;

use super::rate::MAX_PER_MINUTE;
use crate::route::Limit;

/// The longest burst. What is known of a bucket is kept for longer.
const MAX_BURST_SECONDS: i64 = 60;
/// The longest that a request may wait for Redis.
const MAX_REDIS_TIMEOUT_MS: u64 = 2000;
const MAX_FLEET_NAME: usize = 64;

/// Requests a minute, by class; 0 lifts the limit. An account's limit is that
/// of an address unless it is set.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitConfig {
    /// Cheap reads that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_READ_PER_MINUTE", default_value_t = 6000, value_parser = per_minute())]
    pub rate_read_per_minute: u32,
    /// Changes that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_WRITE_PER_MINUTE", default_value_t = 1200, value_parser = per_minute())]
    pub rate_write_per_minute: u32,
    /// Searches that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_SEARCH_PER_MINUTE", default_value_t = 1200, value_parser = per_minute())]
    pub rate_search_per_minute: u32,
    /// Log-ins and the like that an address may send in a minute; 0 lifts the limit.
    #[arg(long, env = "SOUK_EDGE_RATE_AUTH_PER_MINUTE", default_value_t = 60, value_parser = per_minute())]
    pub rate_auth_per_minute: u32,
    /// Cheap reads that an account may send in a minute, from wherever; 0 lifts
    /// the limit [default: as an address].
    #[arg(long, env = "SOUK_EDGE_RATE_ACCOUNT_READ_PER_MINUTE", value_parser = per_minute())]
    pub rate_account_read_per_minute: Option<u32>,
    /// Changes that an account may send in a minute [default: as an address].
    #[arg(long, env = "SOUK_EDGE_RATE_ACCOUNT_WRITE_PER_MINUTE", value_parser = per_minute())]
    pub rate_account_write_per_minute: Option<u32>,
    /// Searches that an account may send in a minute [default: as an address].
    #[arg(long, env = "SOUK_EDGE_RATE_ACCOUNT_SEARCH_PER_MINUTE", value_parser = per_minute())]
    pub rate_account_search_per_minute: Option<u32>,
    /// Changes of passwords and the like that an account may send in a minute
    /// [default: as an address].
    #[arg(long, env = "SOUK_EDGE_RATE_ACCOUNT_AUTH_PER_MINUTE", value_parser = per_minute())]
    pub rate_account_auth_per_minute: Option<u32>,
    /// How many seconds' worth of a limit may come at once; ten requests may in
    /// any case, if a minute has them.
    #[arg(long, env = "SOUK_EDGE_RATE_BURST_SECONDS", default_value_t = 15,
        value_parser = clap::value_parser!(u32).range(1..=MAX_BURST_SECONDS))]
    pub rate_burst_seconds: u32,
    /// Classes whose limits are only counted: what would be refused is logged
    /// and counted, and goes on. With commas between.
    #[arg(long, env = "SOUK_EDGE_RATE_SHADOW", value_enum, value_delimiter = ',')]
    pub rate_shadow: Vec<Shadow>,
    /// What becomes of cheap reads when neither Redis nor the size of the fleet
    /// is known.
    #[arg(long, env = "SOUK_EDGE_RATE_UNKNOWN_READ", value_enum, default_value_t = Unknown::Local)]
    pub rate_unknown_read: Unknown,
    /// What becomes of changes then.
    #[arg(long, env = "SOUK_EDGE_RATE_UNKNOWN_WRITE", value_enum, default_value_t = Unknown::Local)]
    pub rate_unknown_write: Unknown,
    /// What becomes of searches then.
    #[arg(long, env = "SOUK_EDGE_RATE_UNKNOWN_SEARCH", value_enum, default_value_t = Unknown::Local)]
    pub rate_unknown_search: Unknown,
    /// What becomes of log-ins then.
    #[arg(long, env = "SOUK_EDGE_RATE_UNKNOWN_AUTH", value_enum, default_value_t = Unknown::Deny)]
    pub rate_unknown_auth: Unknown,
    /// Where the fleet counts together: "redis://:password@host:port". Without
    /// it, or while it is away, each edge counts its share of a limit.
    #[arg(long, env = "SOUK_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<Secret>,
    /// How long a request waits for Redis before the edge decides by itself.
    #[arg(long, env = "SOUK_EDGE_RATE_REDIS_TIMEOUT_MS", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=MAX_REDIS_TIMEOUT_MS))]
    pub rate_redis_timeout_ms: u64,
    /// The fleet's name: edges of one name share their limits.
    #[arg(long, env = "SOUK_EDGE_FLEET", default_value = "souk", value_parser = fleet)]
    pub fleet: String,
}

/// What is only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shadow {
    /// Cheap reads.
    Read,
    /// Changes.
    Write,
    /// Searches.
    Search,
    /// Log-ins and the like.
    Auth,
    /// Everything.
    All,
}

/// What becomes of a request that nobody can count for the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unknown {
    /// It goes on.
    Allow,
    /// It is refused.
    Deny,
    /// This edge counts as if it were the only one.
    Local,
}

impl LimitConfig {
    /// What can change while requests are counted.
    pub const LIVE_KEYS: &[&str] = &[
        "rate-read-per-minute",
        "rate-write-per-minute",
        "rate-search-per-minute",
        "rate-auth-per-minute",
        "rate-account-read-per-minute",
        "rate-account-write-per-minute",
        "rate-account-search-per-minute",
        "rate-account-auth-per-minute",
        "rate-burst-seconds",
        "rate-shadow",
        "rate-unknown-read",
        "rate-unknown-write",
        "rate-unknown-search",
        "rate-unknown-auth",
    ];

    /// Requests of an address in a minute.
    pub fn of_address(&self, limit: Limit) -> u32 {
        match limit {
            Limit::Read => self.rate_read_per_minute,
            Limit::Write => self.rate_write_per_minute,
            Limit::Search => self.rate_search_per_minute,
            Limit::Auth => self.rate_auth_per_minute,
        }
    }

    /// Requests of an account in a minute.
    pub fn of_account(&self, limit: Limit) -> u32 {
        match limit {
            Limit::Read => self.rate_account_read_per_minute,
            Limit::Write => self.rate_account_write_per_minute,
            Limit::Search => self.rate_account_search_per_minute,
            Limit::Auth => self.rate_account_auth_per_minute,
        }
        .unwrap_or(self.of_address(limit))
    }

    /// Whether the limits of a class are only counted.
    pub fn is_shadow(&self, limit: Limit) -> bool {
        let class = match limit {
            Limit::Read => Shadow::Read,
            Limit::Write => Shadow::Write,
            Limit::Search => Shadow::Search,
            Limit::Auth => Shadow::Auth,
        };
        self.rate_shadow.contains(&class) || self.rate_shadow.contains(&Shadow::All)
    }

    /// What becomes of a class when nothing is known.
    pub fn unknown(&self, limit: Limit) -> Unknown {
        match limit {
            Limit::Read => self.rate_unknown_read,
            Limit::Write => self.rate_unknown_write,
            Limit::Search => self.rate_unknown_search,
            Limit::Auth => self.rate_unknown_auth,
        }
    }
}

fn per_minute() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=i64::from(MAX_PER_MINUTE))
}

/// A name that fits a subject of NATS and a key of Redis.
fn fleet(name: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=MAX_FLEET_NAME).contains(&name.len()) && name.bytes().all(fits) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "up to {MAX_FLEET_NAME} letters, digits, \"-\" and \"_\""
        ))
    }
}
