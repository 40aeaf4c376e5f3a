//! Products for GetProduct, kept in Redis and, decoded, in the process. It
//! never answers a version that was replaced before the question was asked.
//! BatchGetProducts, from which orders take their prices, does not use it.
//!
//! **The promise.** Once the transaction of a change has committed, no replica
//! answers GetProduct with what was before. The edges rely on it: an edge that
//! hears ProductChanged drops the page, and what it fetches next it may keep
//! for ten minutes. The event may reach an edge within a millisecond of the
//! commit, so "delete after commit" and "a local copy of one second" are both
//! too late.
//!
//! **Why it holds.** In Redis there is one hash a product, `v` its version and
//! `b` its body.
//!
//! 1. *Fence before commit.* A transaction that changes a product calls
//!    [`ProductCache::fence`] with the new version, last before it commits.
//!    That drops the body and leaves `v` = new. From then on Redis holds no
//!    older body, and takes none: bodies are written by a script that compares
//!    `v`, so a slow reader that still carries the old row is refused, however
//!    late it comes. Readers between fence and commit find no body, read the
//!    old row from Postgres, and answer it: rightly, nothing has committed.
//!    When the transaction rolls back, the fence merely keeps the product out
//!    of the cache until it expires.
//! 2. *The event comes after the commit*, the commit after the fence. So a
//!    question asked because of the event finds the fence or the new body.
//! 3. *The local copy is asked about.* It is answered only if Redis says, now,
//!    that its version is still the current one; this saves the body's way and
//!    its decoding, not the question. A copy that is answered unasked would
//!    have to be dropped in every replica before each commit.
//! 4. *Single flight never looks back.* Callers that ask for the same product
//!    at the same time share one look-up, but only one that began after they
//!    asked; whoever comes during a look-up waits for the next one. Joining a
//!    running one could hand out a row that was read before the commit.
//! 5. *Misses read the writer*, never a replica.
//!
//! **When Redis is away**, reads go to Postgres. The fence cannot be set, and
//! the change does not wait for it: it is noted in `cache_repairs`, in the same
//! transaction. A job sets the fence when Redis is back, and announces the
//! product again, so that edges which fetched a stale body from a replica that
//! could still reach Redis drop it. Until then such a body is answered for at
//! most [`BODY_TTL_MS`]. The same time bounds what a failover of Redis can
//! bring back that loses the last writes.
//!
//! The fence is the one call that is made while a transaction is open. It must
//! be: after the commit it would be too late. It is bounded by
//! [`FENCE_TIMEOUT`], and left out at once while Redis is known to be away.

mod away;
mod flights;
mod redis;

use std::{sync::Arc, sync::LazyLock, time::Duration};

use fred::clients::Pool;
use prometheus::IntCounterVec;
use svc_kit::{error::StoreError, metrics};

use crate::{
    product::{Product, ProductId},
    store::products::Versioned,
};
use flights::Flights;
use redis::{Body, Shared};

/// How long a body is kept in Redis.
pub const BODY_TTL_MS: i64 = 60_000;

/// How long a fence stands: far longer than a transaction can take from its
/// fence to its commit, or a reader from its row to Redis.
pub const FENCE_TTL_MS: i64 = 60_000;

/// How long a reader waits for Redis.
const READ_TIMEOUT: Duration = Duration::from_millis(50);

/// How long a change waits for Redis.
const FENCE_TIMEOUT: Duration = Duration::from_millis(500);

/// How many products a process remembers, and for how long after their last
/// use.
const LOCAL_PRODUCTS: u64 = 10_000;
const LOCAL_IDLE: Duration = Duration::from_secs(5);

static LOOKUPS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "catalog_cache_lookups_total",
        "Products looked up, by where they were found.",
        &["found"],
    )
});

/// Redis did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache is away")]
pub struct CacheAway;

/// The cache of products. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct ProductCache {
    shared: Shared,
    flights: Arc<Flights>,
}

impl ProductCache {
    /// A cache in this Redis, apart from others with another `prefix`.
    pub fn new(pool: Pool, prefix: &str) -> Self {
        Self {
            shared: Shared::new(pool, prefix),
            flights: Arc::new(Flights::new(LOCAL_PRODUCTS, LOCAL_IDLE)),
        }
    }

    /// A product; `load` reads it from the writer when the cache has none.
    ///
    /// # Errors
    /// Those of `load`; an absent Redis is none.
    pub async fn get<F>(
        &self,
        id: ProductId,
        load: impl Fn() -> F,
    ) -> Result<Option<Arc<Product>>, StoreError>
    where
        F: Future<Output = Result<Option<Product>, StoreError>>,
    {
        self.flights
            .share(id, async |earlier| self.look_up(id, earlier, &load).await)
            .await
    }

    async fn look_up<F>(
        &self,
        id: ProductId,
        earlier: Option<Arc<Product>>,
        load: &impl Fn() -> F,
    ) -> Result<Option<Arc<Product>>, StoreError>
    where
        F: Future<Output = Result<Option<Product>, StoreError>>,
    {
        let known = earlier.as_ref().map(|product| product.version);
        let read = self.shared.read(id, known).await;
        let found = match (&read, earlier) {
            (Ok(Body::Current), Some(product)) => Some(("local", product)),
            (Ok(Body::Other(product)), _) => Some(("redis", Arc::new((**product).clone()))),
            _ => None,
        };
        if let Some((place, product)) = found {
            LOOKUPS.with_label_values(&[place]).inc();
            return Ok(Some(product));
        }
        let away = read.is_err();
        LOOKUPS
            .with_label_values(&[if away { "away" } else { "postgres" }])
            .inc();
        let Some(product) = load().await?.map(Arc::new) else {
            return Ok(None);
        };
        if !away && self.shared.write(&product).await.is_err() {
            tracing::debug!(%id, "not cached");
        }
        Ok(Some(product))
    }

    /// Announces to the cache that these versions are about to be committed.
    ///
    /// # Errors
    /// [`CacheAway`]: the caller notes the change in `cache_repairs`.
    pub async fn fence(&self, changed: &[Versioned]) -> Result<(), CacheAway> {
        self.shared.fence(changed).await
    }
}

impl std::fmt::Debug for ProductCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProductCache")
    }
}
