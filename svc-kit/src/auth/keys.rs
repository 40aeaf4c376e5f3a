//! The keys that verify tokens: fetched once, refreshed in the background,
//! fetched again when a token names one that is not known. The last good set
//! stays when svc-identity is away.

use std::{
    sync::{Arc, LazyLock, PoisonError, RwLock, Weak},
    time::Duration,
};

use prometheus::{IntCounterVec, IntGaugeVec};
use tokio::{sync::Mutex, time::Instant};

use super::{AuthError, key_set::KeySet};
use crate::{clock::Clock, metrics, random};

/// How often the set is fetched anyhow, at the earliest.
const REFRESH_EVERY: Duration = Duration::from_secs(45);

/// How much later that may be, so that processes that began together do not
/// ask together.
const REFRESH_SPREAD: Duration = Duration::from_secs(15);

/// The least time between two fetches for the sake of unknown keys, so that
/// forged tokens cannot make us ask without end.
const REFETCH_FLOOR: Duration = Duration::from_secs(2);

/// How long one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest set that is read, in bytes.
const MAX_SET_BYTES: usize = 64 * 1024;

static FETCHES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "auth_key_fetches_total",
        "Fetches of the keys that verify tokens, by outcome: fetched, failed.",
        &["outcome"],
    )
});

static FETCHED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "auth_keys_fetched_timestamp_seconds",
        "When the keys that verify tokens were last fetched; time() minus this is their age.",
        &[],
    )
});

/// The keys of now. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    url: String,
    http: reqwest::Client,
    clock: Clock,
    current: RwLock<Arc<KeySet>>,
    /// When the set was last asked for; held while asking, so that many who
    /// miss the same key ask once.
    last_fetch: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}

impl Keys {
    pub(super) fn new(url: String, clock: Clock) -> Self {
        let keys = Self(Arc::new(Inner {
            url,
            http: reqwest::Client::new(),
            clock,
            current: RwLock::new(Arc::new(KeySet::empty())),
            last_fetch: Mutex::default(),
        }));
        if tokio::runtime::Handle::try_current().is_ok() {
            tokio::spawn(refresh_while_used(Arc::downgrade(&keys.0)));
        }
        keys
    }

    /// The set of now.
    pub(super) fn current(&self) -> Arc<KeySet> {
        let current = self.0.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// A set that has this key: the one of now, or one that is fetched.
    pub(super) async fn with(&self, kid: &str) -> Result<Arc<KeySet>, AuthError> {
        if let Some(set) = self.known(kid) {
            return Ok(set);
        }
        let mut last_fetch = self.0.last_fetch.lock().await;
        if let Some(set) = self.known(kid) {
            return Ok(set); // somebody fetched it while we waited
        }
        if last_fetch.is_none_or(|at| at.elapsed() >= REFETCH_FLOOR) {
            // Before it, for when this caller leaves; and after it, since those
            // who wait would each fetch once more.
            *last_fetch = Some(Instant::now());
            self.0.fetch_or_log().await;
            *last_fetch = Some(Instant::now());
        }
        drop(last_fetch);
        self.known(kid).ok_or_else(|| {
            if self.current().is_empty() {
                AuthError::KeysUnavailable
            } else {
                AuthError::Invalid
            }
        })
    }

    pub(super) async fn refresh(&self) {
        // Held while asking: who misses a key meanwhile waits for this.
        let mut last_fetch = self.0.last_fetch.lock().await;
        self.0.fetch_or_log().await;
        *last_fetch = Some(Instant::now());
    }

    fn known(&self, kid: &str) -> Option<Arc<KeySet>> {
        Some(self.current()).filter(|set| set.key(kid).is_some())
    }
}

impl Inner {
    async fn fetch_or_log(&self) {
        let outcome = match self.fetch().await {
            Ok(set) => {
                self.take(set);
                FETCHED
                    .with_label_values::<&str>(&[])
                    .set(self.clock.now().timestamp());
                "fetched"
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "keys not fetched; the last good ones stay"
                );
                "failed"
            }
        };
        FETCHES.with_label_values(&[outcome]).inc();
    }

    async fn fetch(&self) -> anyhow::Result<KeySet> {
        let mut response = self
            .http
            .get(&self.url)
            .timeout(FETCH_TIMEOUT)
            .send()
            .await?
            .error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(
                body.len() + chunk.len() <= MAX_SET_BYTES,
                "the key set is too large"
            );
            body.extend_from_slice(&chunk);
        }
        KeySet::read(&body)
    }

    /// Puts a set in the place of the one of now, unless nothing changed: what
    /// that has verified is still verified then.
    fn take(&self, set: KeySet) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !current.is_same(&set) {
            *current = Arc::new(set);
        }
    }
}

async fn refresh_while_used(keys: Weak<Inner>) {
    loop {
        tokio::time::sleep(REFRESH_EVERY + random::jitter(REFRESH_SPREAD)).await;
        let Some(keys) = keys.upgrade() else { return };
        Keys(keys).refresh().await;
    }
}
