//! What can go wrong in this service, and its kinds.

use std::time::Duration;

use svc_kit::error::{Invalid, Kind, ServiceError, StoreError};

/// An error of svc-identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields that cannot be used.
    #[error("{}", sentence(.0))]
    Invalid(Vec<Invalid>),
    /// There is an account with this address.
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    /// Wrong address or wrong password; nobody is told which.
    #[error("e-mail address or password is wrong")]
    CredentialsWrong,
    /// Too many wrong passwords.
    #[error("too many failed attempts to log in")]
    LoginLocked {
        /// When the next attempt is looked at.
        retry_after: Duration,
    },
    /// More passwords to hash than can be hashed in time.
    #[error("too many are logging in right now")]
    HashingBusy,
    /// Unknown, expired, or of a session that ended.
    #[error("the refresh token is not valid")]
    RefreshTokenInvalid,
    /// An old token of a living session: somebody has copied it.
    #[error("the refresh token was used before; the session is over")]
    RefreshTokenReused,
    /// The account of a valid token is gone.
    #[error("there is no such account")]
    AccountNotFound,
    /// The account is not what the caller thinks.
    #[error("the account has changed since it was read")]
    EtagStale,
    /// No such address in the caller's book.
    #[error("there is no such address")]
    AddressNotFound,
    /// The book has no room.
    #[error("the address book is full")]
    AddressBookFull,
    /// Redis is away, and sessions with it.
    #[error("sessions are unavailable")]
    Sessions(#[source] fred::error::Error),
    /// No key signs now.
    #[error("no signing key is active")]
    NoSigningKey,
    /// A token could not be made.
    #[error("cannot sign a token")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// A password could not be hashed, or a kept hash could not be read.
    #[error("cannot hash a password: {0}")]
    Hashing(String),
    /// A key could not be made.
    #[error("cannot make a signing key")]
    Key(#[from] crate::signing_key::NotAKey),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn sentence(violations: &[Invalid]) -> String {
    let texts: Vec<_> = violations.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl ServiceError for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::EmailTaken => Kind::Exists,
            Self::CredentialsWrong | Self::RefreshTokenInvalid | Self::RefreshTokenReused => {
                Kind::Unauthenticated
            }
            Self::LoginLocked { .. } | Self::HashingBusy => Kind::Throttled,
            Self::AccountNotFound | Self::AddressNotFound => Kind::NotFound,
            Self::EtagStale => Kind::Contended,
            Self::AddressBookFull => Kind::Conflict,
            Self::Sessions(_) | Self::NoSigningKey => Kind::Unavailable,
            Self::Token(_) | Self::Hashing(_) | Self::Key(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "FIELD_INVALID",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::CredentialsWrong => "CREDENTIALS_WRONG",
            Self::LoginLocked { .. } => "LOGIN_LOCKED",
            Self::HashingBusy => "HASHING_BUSY",
            Self::RefreshTokenInvalid => "REFRESH_TOKEN_INVALID",
            Self::RefreshTokenReused => "REFRESH_TOKEN_REUSED",
            Self::AccountNotFound => "ACCOUNT_NOT_FOUND",
            Self::EtagStale => "ETAG_STALE",
            Self::AddressNotFound => "ADDRESS_NOT_FOUND",
            Self::AddressBookFull => "ADDRESS_BOOK_FULL",
            Self::Sessions(_) => "SESSIONS_UNAVAILABLE",
            Self::NoSigningKey => "SIGNING_KEY_UNAVAILABLE",
            Self::Token(_) | Self::Hashing(_) | Self::Key(_) => "INTERNAL",
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<Invalid> {
        match self {
            Self::Invalid(violations) => violations.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::LoginLocked { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<Vec<Invalid>> for Error {
    fn from(violations: Vec<Invalid>) -> Self {
        Self::Invalid(violations)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        svc_kit::error::status(error)
    }
}
