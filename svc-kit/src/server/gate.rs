//! What each call passes on its way in: its trace, a place, its deadline, its
//! method's policy; and on its way out: a count, a time, a line in the log.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{body::Body, extract::State, middleware::Next, response::Response};
use futures::FutureExt as _;
use http::{HeaderMap, Request};
use proto::policy::{Access, METHODS, MethodPolicy};
use subtle::ConstantTimeEq as _;
use tokio::{sync::Semaphore, time::Instant};
use tonic::{Code, Status};
use tracing::{Instrument as _, field::Empty};

use super::ServerConfig;
use crate::{
    auth::{self, AuthError, Verifier},
    caller::Caller,
    client, deadline,
    error::{self, Kind, ServiceError},
    metrics, panics,
    secret::Secret,
    telemetry,
};

/// A caller without a deadline of its own may stream this long before the
/// first answer.
const NO_LIMIT: Duration = Duration::from_hours(24);

#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    verifier: Verifier,
    places: Arc<Semaphore>,
    default_timeout: Duration,
    internal_secret: Option<Secret>,
}

impl Gate {
    pub(super) fn new(config: &ServerConfig, verifier: Verifier) -> Self {
        Self(Arc::new(Inner {
            verifier,
            places: Arc::new(Semaphore::new(config.max_concurrent_calls)),
            default_timeout: Duration::from_millis(config.default_timeout_ms),
            internal_secret: config.internal_secret.clone(),
        }))
    }
}

/// Lets a call through, or says why not.
pub(super) async fn pass(State(gate): State<Gate>, request: Request<Body>, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Some(method) = METHODS.get(&path) else {
        return next.run(request).await; // health, reflection, unknown
    };
    let span = tracing::info_span!(
        "call",
        otel.name = path,
        otel.kind = "server",
        trace_id = Empty,
        account_id = Empty
    );
    telemetry::continue_trace(&span, header(request.headers(), "traceparent"));
    async move {
        let begun = Instant::now();
        let response = match gate.0.call(method, request, next).await {
            Ok(response) => response,
            Err(status) => status.into_http(),
        };
        let code = header(response.headers(), "grpc-status")
            .and_then(|code| code.parse::<i32>().ok())
            .map_or(Code::Ok, Code::from_i32);
        let took = begun.elapsed();
        metrics::answered(&method.path, name(code), took);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            method = method.path,
            code = name(code),
            duration_ms,
            "answered"
        );
        response
    }
    .instrument(span)
    .await
}

impl Inner {
    async fn call(
        &self,
        method: &MethodPolicy,
        mut request: Request<Body>,
        next: Next,
    ) -> Result<Response, Status> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Refused::Overloaded.into());
        };
        let limit = self.limit(method, request.headers());
        let answer = async {
            if let Some(caller) = self.admit(method, request.headers()).await? {
                tracing::Span::current()
                    .record("account_id", tracing::field::display(caller.account_id));
                request.extensions_mut().insert(caller);
            }
            match AssertUnwindSafe(next.run(request)).catch_unwind().await {
                Ok(response) => blame(response),
                Err(panic) => {
                    tracing::error!(panic = panics::text(&*panic), "panicked");
                    Err(Refused::Panicked.into())
                }
            }
        };
        deadline::within(limit, answer)
            .await
            .unwrap_or_else(|_| Err(Refused::Late.into()))
    }

    /// What the method allows, or less when the caller will not wait as long.
    fn limit(&self, method: &MethodPolicy, headers: &HeaderMap) -> Duration {
        let most = match method.timeout {
            Some(timeout) => timeout,
            None if method.streaming => NO_LIMIT,
            None => self.default_timeout,
        };
        header(headers, "grpc-timeout")
            .and_then(deadline::parse)
            .map_or(most, |asked| asked.min(most))
    }

    async fn admit(
        &self,
        method: &MethodPolicy,
        headers: &HeaderMap,
    ) -> Result<Option<Caller>, Status> {
        match method.access {
            Access::Public => Ok(None),
            Access::Internal if self.is_internal(headers) => Ok(None),
            Access::Internal => Err(AuthError::Forbidden.into()),
            Access::Customer => Ok(Some(self.caller(headers).await?)),
            Access::Staff => {
                let caller = self.caller(headers).await?;
                if caller.is_staff() {
                    Ok(Some(caller))
                } else {
                    Err(AuthError::Forbidden.into())
                }
            }
        }
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, AuthError> {
        let token = auth::bearer(headers)?.ok_or(AuthError::Missing)?;
        Ok(self.verifier.verify(token).await?.into())
    }

    fn is_internal(&self, headers: &HeaderMap) -> bool {
        match (&self.internal_secret, headers.get(client::INTERNAL)) {
            (Some(secret), Some(shown)) => {
                secret.expose().as_bytes().ct_eq(shown.as_bytes()).into()
            }
            _ => false,
        }
    }
}

/// What tonic cannot read it calls INTERNAL, and what is too long
/// OUT_OF_RANGE, in words of its own. Errors of ours never look so: it is the
/// caller's message that is to blame.
fn blame(response: Response) -> Result<Response, Status> {
    match Status::from_header_map(response.headers()) {
        Some(status)
            if status.code() == Code::Internal && status.message() != error::INTERNAL_MESSAGE =>
        {
            Err(Refused::Malformed.into())
        }
        Some(status) if status.code() == Code::OutOfRange => Err(Refused::TooLarge.into()),
        _ => Ok(response),
    }
}

/// Why the stack itself does not answer a call.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the message cannot be read")]
    Malformed,
    #[error("the message is too large")]
    TooLarge,
    #[error("too many calls at once")]
    Overloaded,
    #[error("internal error")]
    Panicked,
    #[error("deadline exceeded")]
    Late,
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Late => Self::deadline_exceeded(refused.to_string()),
            Refused::Panicked => Self::internal(refused.to_string()),
            Refused::Overloaded | Refused::Malformed | Refused::TooLarge => error::status(refused),
        }
    }
}

impl ServiceError for Refused {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed | Self::TooLarge => Kind::Invalid,
            Self::Overloaded => Kind::Unavailable,
            Self::Panicked | Self::Late => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "MESSAGE_MALFORMED",
            Self::TooLarge => "MESSAGE_TOO_LARGE",
            Self::Overloaded => "OVERLOADED",
            Self::Panicked | Self::Late => "INTERNAL",
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The code as the gRPC documents spell it: "NOT_FOUND".
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
