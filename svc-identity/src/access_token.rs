//! Access tokens: JWTs as RFC 9068 has them, signed with Ed25519.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::Header;
use svc_kit::{
    auth::{ALGORITHM, Claims, TOKEN_TYPE},
    clock::Clock,
};

use crate::{account::Account, error::Error, session::SessionId, signing_key::SigningKey};

/// How long an access token works. Services do not ask whether its session
/// still lives; so this is also how long a revoked one works where the
/// revocation has not been heard.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_mins(15);

/// In whose name and for whom tokens are made.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

/// A signed token.
pub struct AccessToken {
    /// The JWT.
    pub jwt: String,
    /// From then on it is refused.
    pub expire_time: DateTime<Utc>,
}

impl Issuer {
    /// Makes and signs a token of a session.
    ///
    /// # Errors
    /// Internal when the key cannot sign.
    pub fn issue(
        &self,
        key: &SigningKey,
        account: &Account,
        session_id: SessionId,
        clock: &Clock,
    ) -> Result<AccessToken, Error> {
        let now = clock.now();
        let expire_time = now + ACCESS_TOKEN_LIFE;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: account.id,
            sid: session_id.0,
            roles: account.role_names(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: expire_time.timestamp(),
            jti: svc_kit::id::generate(clock),
        };
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.times.id.to_string());
        Ok(AccessToken {
            jwt: jsonwebtoken::encode(&header, &claims, key.encoding())?,
            expire_time,
        })
    }
}
