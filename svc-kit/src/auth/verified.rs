//! Tokens whose signatures were found good, so that the token that comes with
//! each of a customer's requests is verified once and not each time.
//!
//! It is safe because
//! - it belongs to one [`KeySet`](super::key_set::KeySet) and goes with it: no
//!   token outlives the keys among which its own was found;
//! - a token is known by the SHA-256 of all its bytes: another token, be it one
//!   bit away, is not known;
//! - only what passed every check is kept, so nobody fills it but who is given
//!   tokens by svc-identity;
//! - it says nothing of what changes: whoever asks it looks at `exp` and `nbf`
//!   at each use, and at whether the session has ended;
//! - it is bounded, and holds no token: who reads it can use nothing.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use super::Claims;

/// Tokens that are kept.
const MAX_TOKENS: u64 = 50_000;

/// How long one is kept. Longer than most tokens live; `exp` is looked at
/// anyhow.
const KEPT_FOR: Duration = Duration::from_mins(20);

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// What good tokens claim.
pub(super) struct Verified(Cache<Fingerprint, Arc<Claims>>);

impl Verified {
    pub(super) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_TOKENS)
                .time_to_live(KEPT_FOR)
                .build(),
        )
    }

    pub(super) fn get(&self, token: &Fingerprint) -> Option<Arc<Claims>> {
        self.0.get(token)
    }

    pub(super) fn keep(&self, token: Fingerprint, claims: Arc<Claims>) {
        self.0.insert(token, claims);
    }
}
