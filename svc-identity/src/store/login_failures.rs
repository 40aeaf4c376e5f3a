//! Counters of failed log-ins in Redis, each with an expiry.

use std::{sync::LazyLock, time::Duration};

use fred::{
    clients::Pool, error::Error as RedisError, interfaces::KeysInterface as _,
    types::scripts::Script,
};

/// The count, and the milliseconds until it is forgotten.
static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        "return {tonumber(redis.call('GET', KEYS[1]) or '0'), redis.call('PTTL', KEYS[1])}",
    )
});

/// Counts one more. The expiry is set once, by the first: those that follow do
/// not keep the counter alive.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::from_lua(
        "local count = redis.call('INCR', KEYS[1]) \
         if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
         return count",
    )
});

/// The counters in Redis. Cheap to clone.
#[derive(Clone)]
pub struct LoginFailures {
    redis: Pool,
}

impl LoginFailures {
    /// Counters in this Redis.
    pub fn new(redis: Pool) -> Self {
        Self { redis }
    }

    /// How many failures are remembered under this name, and for how long.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read(&self, name: &str) -> Result<(u32, Duration), RedisError> {
        let (count, left_ms): (u32, i64) = READ
            .evalsha_with_reload(self.redis.next(), key(name), Vec::<String>::new())
            .await?;
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
        Ok((count, left))
    }

    /// Remembers one more failure; the first is remembered for `window`, and
    /// all with it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn count(&self, name: &str, window: Duration) -> Result<(), RedisError> {
        COUNT
            .evalsha_with_reload(
                self.redis.next(),
                key(name),
                vec![window.as_millis().to_string()],
            )
            .await
    }

    /// Forgets all failures under this name.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn forget(&self, name: &str) -> Result<(), RedisError> {
        self.redis.del(key(name)).await
    }
}

fn key(name: &str) -> String {
    format!("identity:login_failures:{name}")
}
