//! One unary call of our own over a connection to a service.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_TYPE, HOST, TE},
};
use pingora::{
    Error, ErrorType, http::RequestHeader, protocols::http::v2::client::Http2Session,
    upstreams::peer::HttpPeer,
};

use crate::{deadline::GRPC_TIMEOUT, frame, trace::TRACEPARENT};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// The method: "/package.Service/Method".
    pub path: &'a str,
    /// Its message.
    pub message: Bytes,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

/// The answer of a service.
#[derive(Debug, Clone)]
pub struct Reply {
    /// `grpc-status`
    pub code: i32,
    /// `grpc-message`
    pub message: Option<HeaderValue>,
    /// `grpc-status-details-bin`
    pub details: Option<HeaderValue>,
    /// The answer's message, when the code is 0.
    pub body: Bytes,
}

/// Asks, and reads the whole answer. The service is told to take no longer
/// than `timeout`; whoever calls sees to it that this ends.
///
/// # Errors
/// When no whole answer comes; the service's own error is an answer.
pub async fn exchange(
    session: &mut Http2Session,
    peer: &HttpPeer,
    question: &Question<'_>,
    timeout: Duration,
) -> pingora::Result<Reply> {
    let mut request = RequestHeader::build("POST", question.path.as_bytes(), None)?;
    request.insert_header(HOST, peer._address.to_string())?;
    request.insert_header(CONTENT_TYPE, "application/grpc")?;
    request.insert_header(TE, "trailers")?;
    request.insert_header(GRPC_TIMEOUT, svc_kit::deadline::format(timeout))?;
    if let Some(traceparent) = &question.traceparent {
        request.insert_header(TRACEPARENT, traceparent)?;
    }
    session.write_request_header(Box::new(request), false)?;
    session
        .write_request_body(frame::data(&question.message), true)
        .await?;
    session.read_response_header().await?;

    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_response_body().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, "answer too large");
        }
        body.extend_from_slice(&chunk);
    }
    let trailers = session.read_trailers().await?;
    let headers = session.response_header().map(|header| &header.headers);
    // An error may come in the headers alone.
    let status_in = |headers: &HeaderMap| headers.contains_key("grpc-status");
    let status = trailers
        .as_ref()
        .filter(|trailers| status_in(trailers))
        .or(headers.filter(|headers| status_in(headers)));
    let code = status.and_then(|status| status.get("grpc-status")?.to_str().ok()?.parse().ok());
    let (Some(status), Some(code)) = (status, code) else {
        return Error::e_explain(ErrorType::InvalidHTTPHeader, "no grpc-status");
    };
    let body = if code == 0 {
        frame::single(&body.freeze())
            .map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "not one message"))?
    } else {
        Bytes::new()
    };
    Ok(Reply {
        code,
        message: status.get("grpc-message").cloned(),
        details: status.get("grpc-status-details-bin").cloned(),
        body,
    })
}
