//! The body of a request, if it is short.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::{Result, proxy::Session};
use tokio::time::{Instant, timeout_at};

use crate::{context::Context, headers, refusal::Refusal};

/// What was read of a body.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// More than was to be read. It can still go on to a service as it is.
    Long,
    /// More than is kept of what was read.
    Lost,
    /// It did not come in time.
    Late,
}

/// Why a request ends whose body did not come in time.
pub fn late(context: &Context) -> Refusal {
    if context.deadline.passed() {
        Refusal::DeadlineExceeded
    } else {
        Refusal::BodyTimeout
    }
}

/// Reads a body of at most so many bytes, which may take so long in all: who
/// sends a byte now and then does not send it. What has been read stays in the
/// session's buffer, so that the request can still go on to a service.
///
/// # Errors
/// When the caller is gone.
pub async fn read(session: &mut Session, most: usize, within: Duration) -> Result<Body> {
    if headers::content_length(&session.req_header().headers).is_some_and(|length| length > most) {
        return Ok(Body::Long);
    }
    session.enable_retry_buffering();
    let mut body = Bytes::new();
    let until = Instant::now() + within;
    while !session.is_body_done() {
        let Ok(chunk) = timeout_at(until, session.read_request_body()).await else {
            return Ok(Body::Late);
        };
        match chunk? {
            // Most come in one piece.
            Some(chunk) if body.is_empty() => body = chunk,
            Some(chunk) => {
                let mut longer = BytesMut::from(body);
                longer.extend_from_slice(&chunk);
                body = longer.freeze();
            }
            None => break,
        }
        if session.retry_buffer_truncated() {
            return Ok(Body::Lost);
        }
        if body.len() > most {
            return Ok(Body::Long);
        }
    }
    Ok(Body::Whole(body))
}
