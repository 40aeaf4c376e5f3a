//! Access tokens: what they claim, and whether it is true. Keys come from
//! svc-identity's JWKS and are kept; a token costs no look-up, and a token
//! that comes again costs no signature.

mod key_set;
mod keys;
mod verified;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use tonic::Status;
use uuid::Uuid;

use crate::{
    clock::Clock,
    error::{self, Kind, ServiceError},
    id::AccountId,
};
use keys::Keys;
use verified::Fingerprint;

/// The `typ` of our access tokens (RFC 9068).
pub const TOKEN_TYPE: &str = "at+jwt";

/// The one algorithm that is signed and accepted.
pub const ALGORITHM: Algorithm = Algorithm::EdDSA;

/// How far two machines' clocks may be apart.
const LEEWAY_SECONDS: i64 = 5;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_LEN: usize = 4096;

/// Whose tokens are accepted.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthConfig {
    /// Where svc-identity publishes its keys.
    #[arg(long, env = "SOUK_JWKS_URL")]
    pub jwks_url: String,
    /// The `iss` that tokens must have.
    #[arg(long, env = "SOUK_TOKEN_ISSUER", default_value = "souk")]
    pub issuer: String,
    /// The `aud` that tokens must have.
    #[arg(long, env = "SOUK_TOKEN_AUDIENCE", default_value = "souk")]
    pub audience: String,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// Whose account.
    pub sub: AccountId,
    /// Of which session.
    pub sid: Uuid,
    /// What the account may do.
    pub roles: Vec<String>,
    /// Seconds since the epoch from which on it is void.
    pub exp: i64,
    /// Seconds since the epoch at which it was issued.
    pub iat: i64,
    /// Seconds since the epoch before which it is void.
    pub nbf: i64,
    /// The token's own id.
    pub jti: Uuid,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none.
    #[error("a bearer token is required")]
    Missing,
    /// Malformed, forged, or not meant for us. Which of these is nobody's
    /// business.
    #[error("the token is not valid")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It does not open this door.
    #[error("the account may not do this")]
    Forbidden,
    /// No key is known yet: svc-identity is away.
    #[error("tokens cannot be verified at the moment")]
    KeysUnavailable,
}

impl ServiceError for AuthError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::Invalid | Self::Expired => Kind::Unauthenticated,
            Self::Forbidden => Kind::Forbidden,
            Self::KeysUnavailable => Kind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::Invalid => "TOKEN_INVALID",
            Self::Expired => "TOKEN_EXPIRED",
            Self::Forbidden => "ROLE_MISSING",
            Self::KeysUnavailable => "KEYS_UNAVAILABLE",
        }
    }
}

impl From<AuthError> for Status {
    fn from(error: AuthError) -> Self {
        error::status(error)
    }
}

/// Tells true tokens from others. Cheap to clone; clones share their keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keys,
    validation: Validation,
    clock: Clock,
}

impl Verifier {
    /// A verifier that fetches keys when the first token comes, and keeps them
    /// fresh from then on.
    pub fn new(config: &AuthConfig, clock: Clock) -> Self {
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Checked below, by our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            keys: Keys::new(config.jwks_url.clone(), clock.clone()),
            validation,
            clock,
        }
    }

    /// What the token claims, when it is true and of now.
    ///
    /// # Errors
    /// [`AuthError`] for every other token.
    pub async fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(AuthError::Invalid);
        }
        let fingerprint = Fingerprint::of(token);
        if let Some(claims) = self.keys.current().verified(&fingerprint) {
            claims.valid_at(self.clock.now())?; // time went on
            return Ok(Arc::unwrap_or_clone(claims));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Invalid)?;
        let kid = kid_of_ours(&header)?;
        // One set from here on: the token is kept by the set that verified it.
        let set = self.keys.with(&kid).await?;
        let key = set.key(&kid).ok_or(AuthError::Invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|_| AuthError::Invalid)?
            .claims;
        claims.valid_at(self.clock.now())?;
        set.keep(fingerprint, Arc::new(claims.clone()));
        Ok(claims)
    }

    /// Fetches the keys again: they are known to have changed.
    pub async fn refresh(&self) {
        self.keys.refresh().await;
    }
}

impl Claims {
    fn valid_at(&self, now: DateTime<Utc>) -> Result<(), AuthError> {
        let now = now.timestamp();
        if now >= self.exp.saturating_add(LEEWAY_SECONDS) {
            Err(AuthError::Expired)
        } else if now < self.nbf.saturating_sub(LEEWAY_SECONDS) {
            Err(AuthError::Invalid)
        } else {
            Ok(())
        }
    }
}

/// The id of the key that signed a token with this header, if it is a header
/// as svc-identity writes it: `alg`, `typ` and `kid`. What says more wants
/// something that we do not do (`crit`, `b64`), or brings its own key (`jwk`,
/// `jku`, `x5c`).
fn kid_of_ours(header: &Header) -> Result<String, AuthError> {
    let ours = Header {
        typ: Some(TOKEN_TYPE.to_owned()),
        kid: header.kid.clone(),
        ..Header::new(ALGORITHM)
    };
    header
        .kid
        .clone()
        .filter(|_| *header == ours)
        .ok_or(AuthError::Invalid)
}

/// The token of an `authorization: Bearer` header, if there is one.
///
/// # Errors
/// `Invalid` for several headers, another scheme, or what is no token.
pub fn bearer(headers: &http::HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| AuthError::Invalid)?;
    match value.split_once(' ') {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer")
                && values.next().is_none()
                && is_token(token.trim()) =>
        {
            Ok(Some(token.trim()))
        }
        _ => Err(AuthError::Invalid),
    }
}

/// Whether it is spelt as bearer tokens are (RFC 6750, section 2.1).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_kept_costs_no_signature_but_its_time_is_looked_at() {
        let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let config = AuthConfig {
            jwks_url: "http://127.0.0.1:9/nobody-answers".to_owned(),
            issuer: "souk".to_owned(),
            audience: "souk".to_owned(),
        };
        let verifier = Verifier::new(&config, clock.clone());
        let now = clock.now().timestamp();
        let claims = Claims {
            iss: "souk".to_owned(),
            aud: "souk".to_owned(),
            sub: AccountId::generate(&clock),
            sid: Uuid::nil(),
            roles: Vec::new(),
            exp: now + 900,
            iat: now,
            nbf: now,
            jti: Uuid::nil(),
        };
        let token = "no signature would ever fit this";
        let set = verifier.keys.current();
        set.keep(Fingerprint::of(token), Arc::new(claims.clone()));
        assert_eq!(verifier.verify(token).await, Ok(claims));
        let other = "no signature would ever fit thiS";
        assert!(verifier.verify(other).await.is_err());
        clock.advance(Duration::from_mins(16));
        assert_eq!(verifier.verify(token).await, Err(AuthError::Expired));
    }
}
