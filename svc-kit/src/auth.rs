//! Access tokens: what they claim, and whether it is true. Keys come from
//! svc-identity's JWKS and are kept; a token costs no look-up.

mod keys;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};
use tonic::Status;
use uuid::Uuid;

use crate::{
    clock::Clock,
    error::{self, Kind, ServiceError},
    id::AccountId,
};
use keys::Keys;

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
            keys: Keys::new(config.jwks_url.clone()),
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
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Invalid)?;
        if header.alg != ALGORITHM || header.typ.as_deref() != Some(TOKEN_TYPE) {
            return Err(AuthError::Invalid);
        }
        let kid = header.kid.ok_or(AuthError::Invalid)?;
        let key = self.keys.find(&kid).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)
            .map_err(|_| AuthError::Invalid)?
            .claims;
        claims.valid_at(self.clock.now())?;
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

/// The token of an `authorization: Bearer` header.
pub fn bearer(headers: &http::HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| AuthError::Invalid)?;
    match value.split_once(' ') {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() =>
        {
            Ok(Some(token.trim()))
        }
        _ => Err(AuthError::Invalid),
    }
}
