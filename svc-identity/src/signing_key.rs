//! The keys that sign access tokens, and when which of them does.
//!
//! A key is published before it signs, so that every verifier has fetched it
//! by then, and stays published after it stopped, until the last token that it
//! signed is dead.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ed25519_dalek::{SigningKey as Ed25519Key, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::EncodingKey;
use proto::souk::event::v1::SigningKeyChanged;
use svc_kit::random;
use zeroize::Zeroizing;

use crate::access_token::ACCESS_TOKEN_LIFE;

svc_kit::id!(
    /// A signing key; tokens carry it as `kid`.
    pub struct KeyId
);

/// How long a key signs.
pub const SIGNS_FOR: Duration = Duration::from_hours(30 * 24);

/// How long a key is published before it signs. Longer than a verifier takes
/// to see it: replicas reload, then caches of the key set run out.
pub const PUBLISHED_AHEAD: Duration = Duration::from_hours(1);

/// How much longer than its last token a key stays published: replicas that
/// have not heard of its retirement, and clocks that differ.
pub const LEEWAY: Duration = Duration::from_mins(10);

/// When a key does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// Which key.
    pub id: KeyId,
    /// It signs from then on.
    pub activate_time: DateTime<Utc>,
    /// Until then; none while it has no successor.
    pub retire_time: Option<DateTime<Utc>>,
}

impl KeyTimes {
    /// No living token is signed by it.
    fn is_spent(&self, now: DateTime<Utc>) -> bool {
        self.retire_time
            .is_some_and(|retired| now >= retired + ACCESS_TOKEN_LIFE + LEEWAY)
    }
}

/// What a rotation does now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rotation {
    /// Make a key that signs from then on, and retire the others then.
    pub make: Option<DateTime<Utc>>,
    /// Remove these.
    pub remove: Vec<KeyId>,
}

impl Rotation {
    /// What has to be done with these keys.
    pub fn due(keys: &[KeyTimes], now: DateTime<Utc>) -> Self {
        let newest = keys.iter().map(|key| key.activate_time).max();
        let make = match newest {
            // Nobody can have fetched a key set without it.
            None => Some(now),
            Some(activated) if now + PUBLISHED_AHEAD >= activated + SIGNS_FOR => {
                Some((activated + SIGNS_FOR).max(now + PUBLISHED_AHEAD))
            }
            Some(_) => None,
        };
        Self {
            make,
            remove: keys
                .iter()
                .filter(|key| key.is_spent(now))
                .map(|key| key.id)
                .collect(),
        }
    }
}

/// An Ed25519 key with its times; it does not show its secret.
pub struct SigningKey {
    /// When it does what.
    pub times: KeyTimes,
    /// When it was made.
    pub create_time: DateTime<Utc>,
    pair: Ed25519Key,
    encoding: EncodingKey,
}

/// A secret that is no Ed25519 key, or a public half of another.
#[derive(Debug, thiserror::Error)]
#[error("not an Ed25519 key pair")]
pub struct NotAKey;

impl SigningKey {
    /// Makes a key that signs from `activate_time` on.
    ///
    /// # Errors
    /// [`NotAKey`] never, as far as anybody knows.
    pub fn generate(
        id: KeyId,
        now: DateTime<Utc>,
        activate_time: DateTime<Utc>,
    ) -> Result<Self, NotAKey> {
        let times = KeyTimes {
            id,
            activate_time,
            retire_time: None,
        };
        Self::new(
            times,
            now,
            Ed25519Key::from_bytes(&Zeroizing::new(random::bytes())),
        )
    }

    /// Takes a key from where it is kept.
    ///
    /// # Errors
    /// [`NotAKey`] when the halves do not belong together.
    pub(crate) fn stored(
        times: KeyTimes,
        create_time: DateTime<Utc>,
        private: Vec<u8>,
        public: &[u8],
    ) -> Result<Self, NotAKey> {
        let private = Zeroizing::new(private);
        let pair = Ed25519Key::try_from(private.as_slice()).map_err(|_| NotAKey)?;
        if pair.verifying_key().as_bytes() != public {
            return Err(NotAKey);
        }
        Self::new(times, create_time, pair)
    }

    fn new(times: KeyTimes, create_time: DateTime<Utc>, pair: Ed25519Key) -> Result<Self, NotAKey> {
        let der = pair.to_pkcs8_der().map_err(|_| NotAKey)?;
        Ok(Self {
            times,
            create_time,
            encoding: EncodingKey::from_ed_der(der.as_bytes()),
            pair,
        })
    }

    /// What signs a token.
    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    /// The secret, for where it is kept.
    pub(crate) fn private_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.pair.to_bytes())
    }

    /// The public half.
    pub fn public_bytes(&self) -> [u8; 32] {
        self.pair.verifying_key().to_bytes()
    }

    /// The public half as a JSON Web Key (RFC 8037 §2).
    pub fn jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.times.id.to_string(),
            "x": URL_SAFE_NO_PAD.encode(self.public_bytes()),
        })
    }

    /// Tells that a key came or went.
    pub fn changed(id: KeyId) -> SigningKeyChanged {
        SigningKeyChanged {
            key_id: id.to_string(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// The key that signs now: of those that may, the youngest.
pub fn signing(keys: &[SigningKey], now: DateTime<Utc>) -> Option<&SigningKey> {
    keys.iter()
        .filter(|key| key.times.activate_time <= now)
        .max_by_key(|key| key.times.activate_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn key(id: u128, activate_time: DateTime<Utc>) -> KeyTimes {
        KeyTimes {
            id: KeyId(uuid::Uuid::from_u128(id)),
            activate_time,
            retire_time: None,
        }
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(Rotation::due(&[], at(0)).make, Some(at(0)));
    }

    #[test]
    fn a_young_key_is_left_alone() {
        let now = at(0) + SIGNS_FOR - PUBLISHED_AHEAD - Duration::from_secs(1);
        assert_eq!(Rotation::due(&[key(1, at(0))], now), Rotation::default());
    }

    #[test]
    fn a_successor_is_published_before_it_signs() {
        let now = at(0) + SIGNS_FOR - PUBLISHED_AHEAD;
        let rotation = Rotation::due(&[key(1, at(0))], now);
        assert_eq!(rotation.make, Some(now + PUBLISHED_AHEAD));
    }

    #[test]
    fn a_late_successor_is_published_before_it_signs_too() {
        let now = at(0) + SIGNS_FOR * 3;
        let rotation = Rotation::due(&[key(1, at(0))], now);
        assert_eq!(rotation.make, Some(now + PUBLISHED_AHEAD));
    }

    #[test]
    fn one_successor_is_enough() {
        let next = key(2, at(0) + SIGNS_FOR);
        let now = at(0) + SIGNS_FOR - Duration::from_secs(1);
        assert_eq!(Rotation::due(&[key(1, at(0)), next], now).make, None);
    }

    #[test]
    fn a_key_outlives_its_last_token() {
        let mut old = key(1, at(0));
        let retired = at(0) + SIGNS_FOR;
        old.retire_time = Some(retired);
        let keys = [old, key(2, retired)];
        let alive = retired + ACCESS_TOKEN_LIFE;
        assert_eq!(Rotation::due(&keys, alive).remove, []);
        assert_eq!(Rotation::due(&keys, alive + LEEWAY).remove, [old.id]);
    }

    #[test]
    fn a_key_does_not_show_its_secret() {
        let key = SigningKey::generate(KeyId(uuid::Uuid::nil()), at(0), at(0)).unwrap();
        assert!(format!("{key:?}").ends_with(", .. }"));
    }
}
