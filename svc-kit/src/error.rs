//! What can go wrong, in a closed set of kinds, and its one mapping to gRPC
//! statuses with `google.rpc` details. Internal detail goes to the log, once,
//! and never to the caller.

use std::{collections::HashMap, error::Error, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of our `ErrorInfo` reasons.
pub const DOMAIN: &str = "souk";

/// The kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense, whatever the state.
    Invalid,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// The state does not allow it.
    Conflict,
    /// It is there already.
    Exists,
    /// Somebody else was faster; read again and retry.
    Contended,
    /// Nobody knows who calls.
    Unauthenticated,
    /// The caller may not.
    Forbidden,
    /// Too much at once.
    Throttled,
    /// Something that is needed is away; retry later.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// The gRPC code that stands for it.
    pub fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::Conflict => Code::FailedPrecondition,
            Self::Exists => Code::AlreadyExists,
            Self::Contended => Code::Aborted,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::Throttled => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }
}

/// A field of a request that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    /// The field's path in the request: "address.region_code".
    pub field: String,
    /// Follows the field's name in a sentence: "must not be empty".
    pub message: String,
}

impl Invalid {
    /// The field and what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// An error of a service: its kind, and a reason that callers may rely on.
pub trait ServiceError: Error + Send + Sync + 'static {
    /// What kind of error it is.
    fn kind(&self) -> Kind;

    /// Stable upper-snake: "STOCK_INSUFFICIENT".
    fn reason(&self) -> &'static str;

    /// The fields that cannot be used.
    fn violations(&self) -> Vec<Invalid> {
        Vec::new()
    }

    /// What a program may want to know: the price that is asked now.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// When it is worth trying again.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// All that a caller learns of an internal error.
pub(crate) const INTERNAL_MESSAGE: &str = "internal error";

/// When to come back after an error of these kinds, unless it says otherwise.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The answer to a caller.
#[expect(clippy::needless_pass_by_value, reason = "an error ends here")]
pub fn status(error: impl ServiceError) -> Status {
    let kind = error.kind();
    let message = if kind == Kind::Internal {
        tracing::error!(
            reason = error.reason(),
            error = chain(&error),
            "internal error"
        );
        INTERNAL_MESSAGE.to_owned()
    } else {
        error.to_string()
    };
    let metadata: HashMap<String, String> = error
        .metadata()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let mut details = ErrorDetails::with_error_info(error.reason(), DOMAIN, metadata);
    for violation in error.violations() {
        details.add_bad_request_violation(violation.field, violation.message);
    }
    let transient = matches!(kind, Kind::Unavailable | Kind::Throttled);
    if let Some(after) = error.retry_after().or(transient.then_some(RETRY_AFTER)) {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(kind.code(), message, details)
}

impl ServiceError for Invalid {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }

    fn reason(&self) -> &'static str {
        "FIELD_INVALID"
    }

    fn violations(&self) -> Vec<Invalid> {
        vec![self.clone()]
    }
}

impl From<Invalid> for Status {
    fn from(invalid: Invalid) -> Self {
        status(invalid)
    }
}

/// An error and what caused it, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// What a store can run into.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is away.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// A row that makes no sense.
    #[error("corrupt row in {table}: {why}")]
    Corrupt {
        /// Where the row lies.
        table: &'static str,
        /// What is wrong with it; no personal data.
        why: String,
    },
}

/// Postgres: could not serialize, deadlock, lock not available.
const CONTENDED_STATES: [&str; 3] = ["40001", "40P01", "55P03"];

/// Postgres: shutting down, crashed, starting up, too many connections.
const AWAY_STATES: [&str; 4] = ["57P01", "57P02", "57P03", "53300"];

impl ServiceError for StoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Database(
                sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::WorkerCrashed,
            ) => Kind::Unavailable,
            Self::Database(sqlx::Error::Database(error)) => {
                let state = error.code().unwrap_or_default();
                if CONTENDED_STATES.contains(&state.as_ref()) {
                    Kind::Contended
                } else if AWAY_STATES.contains(&state.as_ref()) {
                    Kind::Unavailable
                } else {
                    Kind::Internal
                }
            }
            Self::Database(_) | Self::Corrupt { .. } => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self.kind() {
            Kind::Contended => "CONTENDED",
            Kind::Unavailable => "DATABASE_UNAVAILABLE",
            _ => "INTERNAL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_detail_never_reaches_the_caller() {
        let error = StoreError::Corrupt {
            table: "orders",
            why: "status 'lost'".to_owned(),
        };
        let status = status(error);
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.message(), "internal error");
    }

    #[test]
    fn a_bad_field_is_named() {
        let status = status(Invalid::new("price", "must not be negative"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "price"
        );
        assert_eq!(details.error_info().unwrap().reason, "FIELD_INVALID");
    }
}
