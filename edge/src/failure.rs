//! What went wrong in Pingora, told as a refusal.

use pingora::{Error, ErrorSource, ErrorType};

use crate::{context::Context, refusal::Refusal};

/// What Pingora calls a chunked body that is none. It names them in private.
const MALFORMED: [&str; 2] = ["InvalidChunk", "InvalidTrailerEnd"];

/// What an error of Pingora's means to the caller; `None` when the caller
/// is the one who left.
pub fn refusal_of(error: &Error, context: &Context) -> Option<Refusal> {
    if let Some(refusal) = &context.refusal {
        return Some(refusal.clone());
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::BodyTimeout),
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => Some(Refusal::RequestMalformed),
        (ErrorSource::Downstream, kind) if MALFORMED.contains(&kind.as_str()) => {
            Some(Refusal::BodyMalformed)
        }
        (ErrorSource::Downstream, _) => None,
        (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Some(Refusal::DeadlineExceeded),
        (
            _,
            ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError
            | ErrorType::ConnectProxyFailure
            | ErrorType::HandshakeError,
        ) => Some(Refusal::UpstreamUnavailable),
        (ErrorSource::Upstream, _) => Some(Refusal::UpstreamBroken),
        _ => Some(Refusal::Internal),
    }
}
