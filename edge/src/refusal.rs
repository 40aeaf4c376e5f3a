//! Everything that the edge refuses or fails by itself, with the one mapping
//! to a gRPC status and to an HTTP status. Detail about our own inside never
//! stands in a refusal: it goes to the log.

use std::{collections::HashMap, time::Duration};

use http::StatusCode;
use svc_kit::error::DOMAIN;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// When to come back after something was away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why the edge answered a request by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No plain HTTP route.
    #[error("there is nothing here")]
    NotFound,
    /// No such method, or one that is not for callers from outside.
    #[error("there is no such method")]
    MethodUnknown,
    /// The HTTP method does not fit the path.
    #[error("this path takes {0}")]
    MethodNotAllowed(&'static str),
    /// A gRPC method was called with something else.
    #[error("this method is called with application/grpc or application/grpc-web")]
    MediaTypeUnsupported,
    /// Native gRPC needs trailers, and so HTTP/2.
    #[error("gRPC needs HTTP/2; over HTTP/1.1 use gRPC-web")]
    HttpVersionUnsupported,
    /// HTTP/1 without `Host`.
    #[error("the request names no host")]
    HostMissing,
    /// A host that is none, and the like.
    #[error("the request is malformed")]
    RequestMalformed,
    /// The path and query are over the limit.
    #[error("the request's target is too long")]
    TargetTooLong,
    /// Too many headers, or too long.
    #[error("the request's headers are too large")]
    HeadersTooLarge,
    /// The request's body is over the limit.
    #[error("the request's body is too large")]
    BodyTooLarge,
    /// The body is not what HTTP calls one.
    #[error("the request's body is malformed")]
    BodyMalformed,
    /// The body did not come in time.
    #[error("the request's body did not arrive in time")]
    BodyTimeout,
    /// The body is not the method's message.
    #[error("the request's body is not a message of this method")]
    MessageMalformed,
    /// No token where one is needed.
    #[error("log in first")]
    TokenMissing,
    /// The token was not issued for us, or not by us.
    #[error("the access token is not valid")]
    TokenInvalid,
    /// The token's time is over.
    #[error("the access token has expired")]
    TokenExpired,
    /// Its session was ended.
    #[error("the session has ended")]
    SessionRevoked,
    /// The keys that verify tokens cannot be had.
    #[error("tokens cannot be verified at the moment")]
    KeysUnavailable,
    /// The caller has not the role that the method asks for.
    #[error("this method is for staff")]
    RoleMissing,
    /// Over the limit of the method's class.
    #[error("too many requests")]
    Throttled {
        /// When the next request will be let through.
        retry_after: Duration,
    },
    /// Nobody can count for the fleet, and the class is closed then.
    #[error("requests of this kind cannot be counted at the moment")]
    LimitsUnavailable,
    /// The service cannot be reached.
    #[error("the service is not available at the moment")]
    UpstreamUnavailable,
    /// The service broke off or answered nonsense.
    #[error("the service did not answer properly")]
    UpstreamBroken,
    /// The deadline passed.
    #[error("the deadline has passed")]
    DeadlineExceeded,
    /// The caller wants a kept answer or none.
    #[error("there is no answer to this request in the cache")]
    NotCached,
    /// Our own fault.
    #[error("something went wrong at the edge")]
    Internal,
}

impl Refusal {
    /// The stable reason, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "ROUTE_UNKNOWN",
            Self::MethodUnknown => "METHOD_UNKNOWN",
            Self::MethodNotAllowed(_) => "METHOD_NOT_ALLOWED",
            Self::MediaTypeUnsupported => "MEDIA_TYPE_UNSUPPORTED",
            Self::HttpVersionUnsupported => "HTTP_VERSION_UNSUPPORTED",
            Self::HostMissing => "HOST_MISSING",
            Self::RequestMalformed => "REQUEST_MALFORMED",
            Self::TargetTooLong => "TARGET_TOO_LONG",
            Self::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::BodyMalformed => "BODY_MALFORMED",
            Self::BodyTimeout => "BODY_TIMEOUT",
            Self::MessageMalformed => "MESSAGE_MALFORMED",
            Self::TokenMissing => "TOKEN_MISSING",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::SessionRevoked => "SESSION_REVOKED",
            Self::KeysUnavailable => "KEYS_UNAVAILABLE",
            Self::RoleMissing => "ROLE_MISSING",
            Self::Throttled { .. } => "RATE_LIMITED",
            Self::LimitsUnavailable => "LIMITS_UNAVAILABLE",
            Self::UpstreamUnavailable => "SERVICE_UNAVAILABLE",
            Self::UpstreamBroken => "SERVICE_BROKEN",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotCached => "NOT_CACHED",
            Self::Internal => "EDGE_INTERNAL",
        }
    }

    /// The gRPC code and the HTTP status.
    fn codes(&self) -> (Code, StatusCode) {
        match self {
            Self::NotFound | Self::MethodUnknown => (Code::Unimplemented, StatusCode::NOT_FOUND),
            Self::MethodNotAllowed(_) => (Code::Unimplemented, StatusCode::METHOD_NOT_ALLOWED),
            Self::MediaTypeUnsupported => {
                (Code::InvalidArgument, StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::HttpVersionUnsupported => (Code::Unimplemented, StatusCode::UPGRADE_REQUIRED),
            Self::HostMissing
            | Self::RequestMalformed
            | Self::BodyMalformed
            | Self::MessageMalformed => (Code::InvalidArgument, StatusCode::BAD_REQUEST),
            Self::TargetTooLong => (Code::ResourceExhausted, StatusCode::URI_TOO_LONG),
            Self::HeadersTooLarge => (
                Code::ResourceExhausted,
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ),
            Self::BodyTooLarge => (Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE),
            Self::BodyTimeout => (Code::DeadlineExceeded, StatusCode::REQUEST_TIMEOUT),
            Self::TokenMissing | Self::TokenInvalid | Self::TokenExpired | Self::SessionRevoked => {
                (Code::Unauthenticated, StatusCode::UNAUTHORIZED)
            }
            Self::RoleMissing => (Code::PermissionDenied, StatusCode::FORBIDDEN),
            Self::Throttled { .. } => (Code::ResourceExhausted, StatusCode::TOO_MANY_REQUESTS),
            Self::KeysUnavailable | Self::LimitsUnavailable | Self::UpstreamUnavailable => {
                (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::UpstreamBroken => (Code::Unavailable, StatusCode::BAD_GATEWAY),
            Self::DeadlineExceeded => (Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT),
            Self::NotCached => (Code::Unavailable, StatusCode::GATEWAY_TIMEOUT),
            Self::Internal => (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// As an HTTP status.
    pub fn http(&self) -> StatusCode {
        self.codes().1
    }

    /// As a gRPC status, with `ErrorInfo` and, when waiting helps, `RetryInfo`.
    pub fn status(&self) -> Status {
        let mut details = ErrorDetails::with_error_info(self.reason(), DOMAIN, HashMap::new());
        if let Some(after) = self.retry_after() {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(self.codes().0, self.to_string(), details)
    }

    /// When a repeat makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => Some(*retry_after),
            Self::UpstreamUnavailable | Self::KeysUnavailable | Self::LimitsUnavailable => {
                Some(RETRY_AFTER)
            }
            _ => None,
        }
    }

    /// Whether nothing that comes after on the connection can be trusted: we
    /// may have read the request otherwise than its sender meant it.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::HostMissing
                | Self::RequestMalformed
                | Self::TargetTooLong
                | Self::HeadersTooLarge
                | Self::BodyMalformed
                | Self::BodyTimeout
        )
    }

    /// The methods of an `allow` header.
    pub fn allow(&self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed(allow) => Some(allow),
            _ => None,
        }
    }
}
