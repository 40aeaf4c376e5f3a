//! What can go wrong in this service, and its kinds.

use svc_kit::error::{Invalid, Kind, ServiceError, StoreError};

use crate::letter::LetterError;

/// An error of svc-notify.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field that cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A notice that cannot be put into words.
    #[error("cannot write a letter")]
    Letter(#[from] LetterError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceError for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Letter(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "FIELD_INVALID",
            Self::Letter(_) => "INTERNAL",
            Self::Store(error) => error.reason(),
        }
    }

    fn violations(&self) -> Vec<Invalid> {
        match self {
            Self::Invalid(invalid) => vec![invalid.clone()],
            _ => Vec::new(),
        }
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
