//! Requests of the last hour in Redis, by account: a sorted set each, which
//! goes by itself.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::{clients::Pool, error::Error as RedisError, types::scripts::Script};
use svc_kit::id::AccountId;
use uuid::Uuid;

/// For how long a request counts.
pub const WINDOW: Duration = Duration::from_hours(1);

/// The most requests of an account that are counted.
pub const MAX_COUNTED: u32 = 1000;

/// The counts.
#[derive(Clone)]
pub struct Velocities {
    redis: Pool,
    count: Script,
}

impl Velocities {
    /// The counts in this Redis.
    pub fn new(redis: Pool) -> Self {
        Self {
            redis,
            count: Script::from_lua(include_str!("velocity/count.lua")),
        }
    }

    /// Counts a request, and those of the account within [`WINDOW`] before it.
    /// The same request again is not counted again.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn count(
        &self,
        account: AccountId,
        request_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<u64, RedisError> {
        let args = vec![
            now.timestamp_millis().to_string(),
            WINDOW.as_millis().to_string(),
            MAX_COUNTED.to_string(),
            request_id.to_string(),
        ];
        let key = format!("souk:order:velocity:{{{account}}}");
        self.count
            .evalsha_with_reload(self.redis.next(), vec![key], args)
            .await
    }
}
