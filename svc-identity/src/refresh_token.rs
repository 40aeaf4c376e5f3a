//! Refresh tokens: opaque, random, good for one use.
//!
//! A token names its session and carries two secrets of 256 bits each: the
//! family's, which stays through all rotations, and its own. Only the SHA-256
//! of each is kept. The family's secret tells an old token of this very family
//! (reuse: the session ends) from something made up by a stranger who learned
//! a session's id (nothing happens), without a list of all used tokens.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use svc_kit::random;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::session::SessionId;

const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;
const TOKEN_BYTES: usize = ID_BYTES + 2 * SECRET_BYTES;

/// The longest text that is looked at; ours have 107 characters.
const TEXT_MAX: usize = 128;

type Secret = Zeroizing<[u8; SECRET_BYTES]>;

/// A refresh token; it does not show its secrets.
pub struct RefreshToken {
    session_id: SessionId,
    family: Secret,
    own: Secret,
}

impl RefreshToken {
    /// The first token of a session.
    pub fn first(session_id: SessionId) -> Self {
        Self {
            session_id,
            family: Zeroizing::new(random::bytes()),
            own: Zeroizing::new(random::bytes()),
        }
    }

    /// The token that takes this one's place.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            session_id: self.session_id,
            family: self.family.clone(),
            own: Zeroizing::new(random::bytes()),
        }
    }

    /// Reads a token; none when the text cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        if bytes.len() != TOKEN_BYTES {
            return None;
        }
        let (id, secrets) = bytes.split_at(ID_BYTES);
        let (family, own) = secrets.split_at(SECRET_BYTES);
        Some(Self {
            session_id: SessionId(Uuid::from_slice(id).ok()?),
            family: Zeroizing::new(family.try_into().ok()?),
            own: Zeroizing::new(own.try_into().ok()?),
        })
    }

    /// The token as its owner gets it.
    pub fn encode(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        let (id, secrets) = bytes.split_at_mut(ID_BYTES);
        let (family, own) = secrets.split_at_mut(SECRET_BYTES);
        id.copy_from_slice(self.session_id.0.as_bytes());
        family.copy_from_slice(self.family.as_slice());
        own.copy_from_slice(self.own.as_slice());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
    }

    /// Whose token it says it is.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// What is kept of the family's secret.
    pub fn family_hash(&self) -> String {
        hash(&self.family)
    }

    /// What is kept of the token's own secret.
    pub fn own_hash(&self) -> String {
        hash(&self.own)
    }
}

/// Nothing slower is needed: the input is 256 random bits.
fn hash(secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_slice()))
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> RefreshToken {
        RefreshToken::first(SessionId(Uuid::from_u128(7)))
    }

    #[test]
    fn a_token_reads_as_it_is_written() {
        let token = token();
        let read = RefreshToken::parse(&token.encode()).unwrap();
        assert_eq!(read.session_id(), token.session_id());
        assert_eq!(read.family_hash(), token.family_hash());
        assert_eq!(read.own_hash(), token.own_hash());
    }

    #[test]
    fn the_next_token_is_of_the_same_family() {
        let first = token();
        let next = first.next();
        assert_eq!(next.family_hash(), first.family_hash());
        assert_ne!(next.own_hash(), first.own_hash());
    }

    #[test]
    fn what_is_no_token_is_none() {
        let long = "A".repeat(TEXT_MAX + 1);
        for text in ["", "x", "=", "ä", &long, &token().encode()[1..]] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_does_not_show_its_secrets() {
        let token = token();
        let shown = format!("{token:?}");
        assert!(
            shown.ends_with("{ session_id: SessionId(00000000-0000-0000-0000-000000000007), .. }")
        );
    }
}
