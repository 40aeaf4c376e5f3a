//! The part of the cache that all replicas share.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fred::{
    clients::Pool,
    interfaces::{HashesInterface as _, LuaInterface as _},
    types::scripts::Script,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use super::{BODY_TTL_MS, CacheAway, FENCE_TIMEOUT, FENCE_TTL_MS, READ_TIMEOUT, away::Away};
use crate::{
    product::{Product, ProductId, Snapshot},
    store::products::Versioned,
};

/// Fences that are under way at once.
const FENCES_AT_ONCE: usize = 64;

/// Writes a body unless a newer version is known.
const WRITE: &str = "
local v = redis.call('HGET', KEYS[1], 'v')
if v and tonumber(v) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'b', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1";

/// Drops an older body and refuses older ones from now on. A body of the same
/// or a newer version has been committed, and stays.
const FENCE: &str = "
local v = redis.call('HGET', KEYS[1], 'v')
if not v or tonumber(v) < tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'v', ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1";

/// What Redis knows of a product.
pub(super) enum Body {
    /// The version that was asked about is the current one.
    Current,
    /// This is the current one.
    Other(Box<Product>),
    /// Nothing that can be answered.
    None,
}

#[derive(Clone)]
pub(super) struct Shared {
    pool: Pool,
    prefix: Arc<str>,
    write: Script,
    fence: Script,
    /// Apart, so that a reader's short patience holds up no fence.
    away_for_reads: Arc<Away>,
    away_for_fences: Arc<Away>,
}

impl Shared {
    pub(super) fn new(pool: Pool, prefix: &str) -> Self {
        Self {
            pool,
            prefix: prefix.into(),
            write: Script::from_lua(WRITE),
            fence: Script::from_lua(FENCE),
            away_for_reads: Arc::default(),
            away_for_fences: Arc::default(),
        }
    }

    /// The current body, unless its version is `known`.
    pub(super) async fn read(&self, id: ProductId, known: Option<i64>) -> Result<Body, CacheAway> {
        let key = self.key(id);
        if let Some(known) = known {
            let version: Option<i64> = self.reading(self.pool.hget(key.as_str(), "v")).await?;
            if version == Some(known) {
                return Ok(Body::Current);
            }
            if version.is_none() {
                return Ok(Body::None);
            }
        }
        let body: Option<Bytes> = self.reading(self.pool.hget(key.as_str(), "b")).await?;
        Ok(body
            .and_then(|body| decode(&body))
            .map_or(Body::None, |product| Body::Other(Box::new(product))))
    }

    pub(super) async fn write(&self, product: &Product) -> Result<(), CacheAway> {
        let Ok(body) = serde_json::to_string(&Snapshot::from(product)) else {
            return Ok(()); // texts, numbers and times always can
        };
        let args = vec![product.version.to_string(), body, BODY_TTL_MS.to_string()];
        let _: i64 = self
            .reading(self.run(&self.write, self.key(product.id), args))
            .await?;
        Ok(())
    }

    pub(super) async fn fence(&self, changed: &[Versioned]) -> Result<(), CacheAway> {
        let fences = stream::iter(changed.to_vec())
            .map(|(id, version)| {
                let args = vec![version.to_string(), FENCE_TTL_MS.to_string()];
                self.run(&self.fence, self.key(id), args)
            })
            .buffer_unordered(FENCES_AT_ONCE)
            .try_for_each(|_: i64| async { Ok(()) });
        within(&self.away_for_fences, FENCE_TIMEOUT, fences)
            .boxed()
            .await
    }

    fn reading<'a, T: Send + 'a>(
        &'a self,
        command: impl Future<Output = Result<T, fred::error::Error>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, CacheAway>> {
        // The client's futures are large; callers should not have to carry them.
        within(&self.away_for_reads, READ_TIMEOUT, command).boxed()
    }

    async fn run(
        &self,
        script: &Script,
        key: String,
        args: Vec<String>,
    ) -> Result<i64, fred::error::Error> {
        let outcome = self
            .pool
            .evalsha(script.sha1().clone(), key.as_str(), args.clone())
            .await;
        match (outcome, script.lua()) {
            // Redis forgets scripts when it starts.
            (Err(error), Some(lua)) if error.details().starts_with("NOSCRIPT") => {
                self.pool.eval(lua.clone(), key.as_str(), args).await
            }
            (outcome, _) => outcome,
        }
    }

    fn key(&self, id: ProductId) -> String {
        format!("{}:product:{id}", self.prefix)
    }
}

async fn within<T>(
    away: &Away,
    limit: Duration,
    command: impl Future<Output = Result<T, fred::error::Error>>,
) -> Result<T, CacheAway> {
    if !away.worth_asking() {
        return Err(CacheAway);
    }
    let outcome = tokio::time::timeout(limit, command).await;
    away.note(matches!(outcome, Ok(Ok(_))));
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::warn!(%error, "Redis failed");
            Err(CacheAway)
        }
        Err(_) => {
            tracing::warn!(limit_ms = limit.as_millis(), "Redis did not answer in time");
            Err(CacheAway)
        }
    }
}

/// A body of another release may be unreadable; then there is none.
fn decode(body: &[u8]) -> Option<Product> {
    let snapshot: Snapshot = serde_json::from_slice(body).ok()?;
    Product::try_from(snapshot).ok()
}
