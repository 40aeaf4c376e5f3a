//! Who may pass. It checks tokens as the services do again: they do not trust
//! us blindly, and we keep from them what they would refuse.

use std::sync::Arc;

use http::HeaderMap;
use proto::policy::Access;
use svc_kit::{
    auth::{self, AuthError, Claims, Verifier},
    clock::Clock,
};

use crate::{refusal::Refusal, revocation::Revocations};

/// What a member of staff has among the roles.
const STAFF: &str = "staff";
/// How far the clock of whoever issued a token may be from ours.
const CLOCKS_APART_SECONDS: i64 = 5;

/// Checks tokens.
#[derive(Debug, Clone)]
pub struct Guard {
    verifier: Verifier,
    revocations: Arc<Revocations>,
    clock: Clock,
}

impl Guard {
    /// Checks tokens by these keys and revocations.
    pub fn new(verifier: Verifier, revocations: Arc<Revocations>, clock: Clock) -> Self {
        Self {
            verifier,
            revocations,
            clock,
        }
    }

    /// Lets a request pass, or not. A PUBLIC method does not look at tokens.
    ///
    /// # Errors
    /// Why it does not pass.
    pub async fn admit(
        &self,
        access: Access,
        headers: &HeaderMap,
    ) -> Result<Option<Claims>, Refusal> {
        match access {
            Access::Public => Ok(None),
            Access::Customer => Ok(Some(self.claims(headers).await?)),
            Access::Staff => {
                let claims = self.claims(headers).await?;
                if claims.roles.iter().any(|role| role == STAFF) {
                    Ok(Some(claims))
                } else {
                    Err(Refusal::RoleMissing)
                }
            }
            Access::Internal => Err(Refusal::MethodUnknown),
        }
    }

    /// Whether somebody who was let in may stay: neither the session nor the
    /// token's time is over. Ended sessions are forgotten once their tokens
    /// are void, so the one does not do without the other.
    ///
    /// # Errors
    /// Why not.
    pub fn admits_still(&self, claims: &Claims) -> Result<(), Refusal> {
        if self.revocations.contains(&claims.sid) {
            return Err(Refusal::SessionRevoked);
        }
        let void_at = claims.exp.saturating_add(CLOCKS_APART_SECONDS);
        if self.clock.now().timestamp() >= void_at {
            return Err(Refusal::TokenExpired);
        }
        Ok(())
    }

    async fn claims(&self, headers: &HeaderMap) -> Result<Claims, Refusal> {
        let token = auth::bearer(headers)?.ok_or(Refusal::TokenMissing)?;
        let claims = self.verifier.verify(token).await?;
        if self.revocations.contains(&claims.sid) {
            return Err(Refusal::SessionRevoked);
        }
        Ok(claims)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Missing => Self::TokenMissing,
            AuthError::Invalid => Self::TokenInvalid,
            AuthError::Expired => Self::TokenExpired,
            AuthError::Forbidden => Self::RoleMissing,
            AuthError::KeysUnavailable => Self::KeysUnavailable,
        }
    }
}
