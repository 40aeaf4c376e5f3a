//! A session: what begins with a log-in and ends with a log-out, a reused
//! refresh token, or thirty days of silence. It is also a family of refresh
//! tokens, of which one is alive.

use std::time::Duration;

use chrono::{DateTime, Utc};
use proto::souk::event::v1::SessionRevoked;
use svc_kit::id::AccountId;
use zeroize::Zeroizing;

svc_kit::id!(
    /// A session; tokens carry it as `sid`.
    pub struct SessionId
);

/// How long a refresh token works, and so how long a session may be silent.
pub const REFRESH_TOKEN_LIFE: Duration = Duration::from_hours(30 * 24);

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Never changes.
    pub id: SessionId,
    /// Whose.
    pub account_id: AccountId,
    /// The account's epoch at the log-in.
    pub epoch: i64,
}

impl Session {
    /// Tells that its tokens are void.
    pub fn revoked(id: SessionId, account_id: AccountId) -> SessionRevoked {
        SessionRevoked {
            account_id: account_id.to_string(),
            session_id: id.to_string(),
        }
    }
}

/// What the owner of a session holds.
pub struct Tokens {
    /// A JWT.
    pub access_token: String,
    /// From then on it is refused.
    pub access_token_expire_time: DateTime<Utc>,
    /// None when the session could not be kept: then it ends with the access
    /// token.
    pub refresh: Option<Refresh>,
}

/// A refresh token as its owner gets it.
pub struct Refresh {
    /// Works once.
    pub token: Zeroizing<String>,
    /// From then on it is refused.
    pub expire_time: DateTime<Utc>,
}
