//! The signing keys in memory: this replica's picture of the shared table.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::{
    error::Error,
    signing_key::{self, SigningKey},
};

/// The keys. Clones share them.
#[derive(Clone, Default)]
pub struct Keyring(Arc<RwLock<Arc<[SigningKey]>>>);

impl Keyring {
    /// Takes the keys as they are now, all at once.
    pub fn replace(&self, keys: Vec<SigningKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// All keys.
    pub fn keys(&self) -> Arc<[SigningKey]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does something with the key that signs now.
    ///
    /// # Errors
    /// `Unavailable` when none does.
    pub fn with_signing<T>(
        &self,
        now: DateTime<Utc>,
        work: impl FnOnce(&SigningKey) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(signing_key::signing(&self.keys(), now).ok_or(Error::NoSigningKey)?)
    }

    /// The public halves of all keys as a JSON Web Key Set (RFC 7517 §5).
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self.keys().iter().map(SigningKey::jwk).collect();
        serde_json::json!({ "keys": keys })
    }
}
