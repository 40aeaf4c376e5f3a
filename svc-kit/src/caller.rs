//! Who calls: taken from a verified token, never from a message.

use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    auth::{AuthError, Claims},
    id::AccountId,
};

/// The role of those who run the shop.
pub const STAFF: &str = "staff";

/// An account that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose account.
    pub account_id: AccountId,
    /// Of which session.
    pub session_id: Uuid,
    /// "customer", "staff".
    pub roles: Vec<String>,
}

impl Caller {
    /// The caller that the server put into the request.
    ///
    /// # Errors
    /// UNAUTHENTICATED when the method is public and nobody is logged in.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| AuthError::Missing.into())
    }

    /// May run the shop.
    pub fn is_staff(&self) -> bool {
        self.roles.iter().any(|role| role == STAFF)
    }
}

impl From<Claims> for Caller {
    fn from(claims: Claims) -> Self {
        Self {
            account_id: claims.sub,
            session_id: claims.sid,
            roles: claims.roles,
        }
    }
}
