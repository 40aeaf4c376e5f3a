//! The keys that verify tokens: fetched once, refreshed in the background,
//! fetched again when a token names one that is not known. The last good set
//! stays when svc-identity is away.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock, Weak},
    time::Duration,
};

use anyhow::Context as _;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet, KeyOperations, PublicKeyUse},
};
use tokio::{sync::Mutex, time::Instant};

use super::AuthError;

/// How often the set is fetched anyhow.
const REFRESH_EVERY: Duration = Duration::from_mins(1);

/// The least time between two fetches for the sake of unknown keys, so that
/// forged tokens cannot make us ask without end.
const REFETCH_FLOOR: Duration = Duration::from_secs(2);

/// How long one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest set that is read, in bytes.
const MAX_SET_BYTES: usize = 64 * 1024;

/// A shared set of keys. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    url: String,
    http: reqwest::Client,
    known: RwLock<HashMap<String, Arc<DecodingKey>>>,
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
    pub(super) fn new(url: String) -> Self {
        let keys = Self(Arc::new(Inner {
            url,
            http: reqwest::Client::new(),
            known: RwLock::default(),
            last_fetch: Mutex::default(),
        }));
        if tokio::runtime::Handle::try_current().is_ok() {
            tokio::spawn(refresh_while_used(Arc::downgrade(&keys.0)));
        }
        keys
    }

    pub(super) async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, AuthError> {
        if let Some(key) = self.known(kid) {
            return Ok(key);
        }
        let mut last_fetch = self.0.last_fetch.lock().await;
        if let Some(key) = self.known(kid) {
            return Ok(key); // somebody fetched it while we waited
        }
        if last_fetch.is_none_or(|at| at.elapsed() >= REFETCH_FLOOR) {
            *last_fetch = Some(Instant::now());
            self.0.fetch_or_log().await;
        }
        drop(last_fetch);
        self.known(kid).ok_or_else(|| {
            if self.is_empty() {
                AuthError::KeysUnavailable
            } else {
                AuthError::Invalid
            }
        })
    }

    pub(super) async fn refresh(&self) {
        // Held while asking: who misses a key meanwhile waits for this.
        let mut last_fetch = self.0.last_fetch.lock().await;
        *last_fetch = Some(Instant::now());
        self.0.fetch_or_log().await;
    }

    fn known(&self, kid: &str) -> Option<Arc<DecodingKey>> {
        self.0.known.read().ok()?.get(kid).cloned()
    }

    fn is_empty(&self) -> bool {
        self.0.known.read().map_or(true, |known| known.is_empty())
    }
}

impl Inner {
    async fn fetch_or_log(&self) {
        if let Err(error) = self.fetch().await {
            tracing::warn!(
                error = format!("{error:#}"),
                "keys not fetched; the last good ones stay"
            );
        }
    }

    async fn fetch(&self) -> anyhow::Result<()> {
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
        let known = read(&body)?;
        anyhow::ensure!(!known.is_empty(), "the key set holds no key of ours");
        if let Ok(mut slot) = self.known.write() {
            *slot = known;
        }
        Ok(())
    }
}

/// The keys of a set that may verify our tokens: Ed25519, meant for
/// signatures, with an id.
fn read(body: &[u8]) -> anyhow::Result<HashMap<String, Arc<DecodingKey>>> {
    let set: JwkSet = serde_json::from_slice(body).context("the key set is no JWKS")?;
    let mut known = HashMap::new();
    for key in &set.keys {
        let common = &key.common;
        let for_signatures = !matches!(
            common.public_key_use,
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
        ) && common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let ours = matches!(key.algorithm, AlgorithmParameters::OctetKeyPair(_)) && for_signatures;
        if let (true, Some(kid)) = (ours, &common.key_id) {
            known.insert(kid.clone(), Arc::new(DecodingKey::from_jwk(key)?));
        }
    }
    Ok(known)
}

async fn refresh_while_used(keys: Weak<Inner>) {
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        let Some(keys) = keys.upgrade() else { return };
        Keys(keys).refresh().await;
    }
}
