//! A set of keys as svc-identity publishes it (RFC 7517), and the tokens that
//! it has verified. A set never changes; another one takes its place.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::VerifyingKey;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Claims,
    verified::{Fingerprint, Verified},
};

/// What our keys are: Ed25519, for EdDSA signatures (RFC 8037).
const KEY_TYPE: &str = "OKP";
const CURVE: &str = "Ed25519";
const ALGORITHM_NAME: &str = "EdDSA";
const USE: &str = "sig";
const OPERATION: &str = "verify";

/// Keys by their ids.
pub(super) struct KeySet {
    keys: HashMap<String, Key>,
    verified: Verified,
}

struct Key {
    bytes: [u8; 32],
    decoding: DecodingKey,
}

/// A published key. A member that comes twice is an error.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    /// The private half.
    d: Option<IgnoredAny>,
    /// A shared secret.
    k: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// No key at all.
    pub(super) fn empty() -> Self {
        Self::of(HashMap::new())
    }

    /// Reads a set. Keys of other kinds, or for other uses, are left out.
    ///
    /// # Errors
    /// When the set cannot be trusted as a whole: it is malformed, shows a
    /// secret, names two keys alike, or holds a broken or weak key of ours; or
    /// when no key is left.
    pub(super) fn read(json: &[u8]) -> anyhow::Result<Self> {
        let set: Jwks = serde_json::from_slice(json).context("the key set is no JWKS")?;
        let mut names = HashSet::new();
        let mut keys = HashMap::new();
        for jwk in set.keys {
            ensure!(
                jwk.d.is_none() && jwk.k.is_none(),
                "the key set shows a secret key"
            );
            let Some(kid) = jwk.kid.clone() else {
                continue;
            };
            ensure!(names.insert(kid.clone()), "two keys have the id {kid:?}");
            if jwk.is_ours() {
                let key = Key::read(jwk.x.as_deref().unwrap_or_default())
                    .with_context(|| format!("the key {kid:?}"))?;
                keys.insert(kid, key);
            }
        }
        ensure!(!keys.is_empty(), "the key set holds no key of ours");
        Ok(Self::of(keys))
    }

    fn of(keys: HashMap<String, Key>) -> Self {
        Self {
            keys,
            verified: Verified::new(),
        }
    }

    /// The key of this id.
    pub(super) fn key(&self, kid: &str) -> Option<&DecodingKey> {
        self.keys.get(kid).map(|key| &key.decoding)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the other one has just the same keys.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len()
            && self.keys.iter().all(|(kid, key)| {
                let theirs = other.keys.get(kid);
                theirs.is_some_and(|theirs| theirs.bytes == key.bytes)
            })
    }

    /// What a token claims that this set has verified before.
    pub(super) fn verified(&self, token: &Fingerprint) -> Option<Arc<Claims>> {
        self.verified.get(token)
    }

    /// Remembers what a token claims that a key of this set has verified.
    pub(super) fn keep(&self, token: Fingerprint, claims: Arc<Claims>) {
        self.verified.keep(token, claims);
    }
}

impl Jwk {
    fn is_ours(&self) -> bool {
        self.kty == KEY_TYPE
            && self.crv.as_deref() == Some(CURVE)
            && self.alg.as_deref().is_none_or(|alg| alg == ALGORITHM_NAME)
            && self.usage.as_deref().is_none_or(|usage| usage == USE)
            && self
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|name| name == OPERATION))
    }
}

impl Key {
    /// Reads a public key. The signature check takes any point of the curve;
    /// one of small order would let one signature fit many messages, and one
    /// in another spelling would be a second name of the same key.
    fn read(x: &str) -> anyhow::Result<Self> {
        let bytes: [u8; 32] = URL_SAFE_NO_PAD
            .decode(x)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .context("is not 32 bytes of base64url")?;
        let point = VerifyingKey::from_bytes(&bytes).context("is not on the curve")?;
        ensure!(!point.is_weak(), "is of small order");
        ensure!(is_canonical(&bytes), "is not in its canonical form");
        Ok(Self {
            bytes,
            decoding: DecodingKey::from_ed_der(&bytes),
        })
    }
}

/// Whether the coordinate is below the field's prime, 2^255 - 19 (RFC 8032,
/// section 5.1.3). The top bit is the sign of the other one.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    const LOWEST_OF_PRIME: u8 = 0xed;
    let [lowest, middle @ .., highest] = bytes;
    *lowest < LOWEST_OF_PRIME || highest | 0x80 != 0xff || middle.iter().any(|byte| *byte != 0xff)
}
