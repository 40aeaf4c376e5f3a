//! Writes the answers that the edge gives by itself, in the caller's protocol.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use pingora::{Result, http::ResponseHeader, proxy::Session};
use serde_json::json;
use tonic::Status;

use crate::{
    cache::entry::Entry, context::Context, cors, frame, headers, origin::Reply, protocol::Protocol,
    refusal::Refusal,
};

const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";
const GRPC_DETAILS: &str = "grpc-status-details-bin";
/// Headers of an answer, to begin with.
const SIZE_HINT: Option<usize> = Some(12);
/// Bodies go out in parts of this size: a caller may take as long for each as
/// for one write.
const SLICE_BYTES: usize = 256 * 1024;

/// Refuses a request.
///
/// # Errors
/// When the caller is gone.
pub async fn refuse(session: &mut Session, context: &mut Context, refusal: Refusal) -> Result<()> {
    if refusal.ends_connection() {
        session.set_keepalive(None);
    }
    let drain = refusal == Refusal::BodyTooLarge && session.is_http2();
    write_refusal(session, context, refusal).await?;
    if drain {
        // Many callers look for an answer only after they have sent all, and
        // lose it when the stream is reset. What they send is thrown away.
        if let Err(error) = session.as_downstream_mut().drain_request_body().await {
            tracing::debug!(%error, "the caller still sends, or is gone");
        }
    }
    Ok(())
}

async fn write_refusal(
    session: &mut Session,
    context: &mut Context,
    refusal: Refusal,
) -> Result<()> {
    let status = refusal.status();
    let mut extra = HeaderMap::new();
    if let Some(after) = refusal.retry_after() {
        // Whole seconds, and not too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        extra.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if context.protocol.is_grpc() {
        context.refusal = Some(refusal);
        return grpc_status(session, context, status_headers(&status)?, extra).await;
    }
    if let Some(allow) = refusal.allow() {
        extra.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if refusal.http() == StatusCode::UNAUTHORIZED {
        extra.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let body = Bytes::from(
        json!({
            "type": "about:blank",
            "title": refusal.http().canonical_reason(),
            "status": refusal.http().as_u16(),
            "detail": refusal.to_string(),
            "reason": refusal.reason(),
            "trace_id": context.trace.id(),
        })
        .to_string(),
    );
    let mut answer = ResponseHeader::build(refusal.http(), SIZE_HINT)?;
    answer.insert_header(CONTENT_TYPE, Protocol::Http.content_type())?;
    answer.insert_header(CONTENT_LENGTH, body.len())?;
    context.refusal = Some(refusal);
    write(session, context, answer, extra, Some(body)).await
}

/// Hands on the error that a service gave to the cache's question.
///
/// # Errors
/// When the caller is gone.
pub async fn service_error(
    session: &mut Session,
    context: &mut Context,
    reply: Reply,
) -> Result<()> {
    let mut status = HeaderMap::new();
    status.insert(GRPC_STATUS, HeaderValue::from(reply.code));
    if let Some(message) = reply.message {
        status.insert(GRPC_MESSAGE, message);
    }
    if let Some(details) = reply.details {
        status.insert(GRPC_DETAILS, details);
    }
    grpc_status(session, context, status, HeaderMap::new()).await
}

/// Serves a kept answer.
///
/// # Errors
/// When the caller is gone.
pub async fn serve(session: &mut Session, context: &mut Context, entry: &Entry) -> Result<usize> {
    context.grpc_status = Some(0);
    let mut answer = ResponseHeader::build_no_case(StatusCode::OK, SIZE_HINT)?;
    let kind = HeaderValue::from_static(context.protocol.content_type());
    answer.insert_header(CONTENT_TYPE, kind)?;
    let body = match context.protocol {
        Protocol::GrpcWebText => frame::encode_text(&entry.grpc_web()),
        Protocol::GrpcWeb => entry.grpc_web(),
        Protocol::Grpc | Protocol::Http => entry.grpc(),
    };
    let bytes = body.len();
    if context.protocol == Protocol::Grpc {
        headers::dress(&mut answer, context)?;
        session
            .write_response_header(Box::new(answer), false)
            .await?;
        write_body(session, body, false).await?;
        let mut trailers = HeaderMap::new();
        trailers.insert(GRPC_STATUS, HeaderValue::from(0));
        session.write_response_trailers(trailers).await?;
    } else {
        answer.insert_header(CONTENT_LENGTH, bytes)?;
        write(session, context, answer, HeaderMap::new(), Some(body)).await?;
    }
    Ok(bytes)
}

/// Answers a browser that asks for permission.
///
/// # Errors
/// When the caller is gone.
pub async fn preflight(session: &mut Session, context: &Context) -> Result<()> {
    let mut answer = ResponseHeader::build(StatusCode::NO_CONTENT, SIZE_HINT)?;
    if context.origin.is_some() {
        cors::allow_preflight(&mut answer)?;
    }
    write(session, context, answer, HeaderMap::new(), None).await
}

/// Ends an answer of which a part has gone out already: the status says that
/// the rest is missing. Without that a stream would look as if it had ended.
///
/// # Errors
/// When the caller is gone.
pub async fn break_off(
    session: &mut Session,
    context: &mut Context,
    refusal: Refusal,
) -> Result<()> {
    let status = refusal.status();
    let trailers = status_headers(&status)?;
    context.refusal = Some(refusal);
    context.grpc_status = Some(status.code() as i32);
    // What the service speaks, which need not be what the caller asked for.
    let spoken = session
        .response_written()
        .map_or(Protocol::Http, |answer| Protocol::of(&answer.headers));
    match spoken {
        Protocol::Grpc => session.write_response_trailers(trailers).await,
        Protocol::GrpcWeb | Protocol::GrpcWebText => {
            let mut lines = String::new();
            for (name, value) in &trailers {
                if let Ok(value) = value.to_str() {
                    lines.extend([name.as_str(), ":", value, "\r\n"]);
                }
            }
            let mut body = frame::trailers(&lines);
            if spoken == Protocol::GrpcWebText {
                body = frame::encode_text(&body);
            }
            session.write_response_body(Some(body), true).await
        }
        // The missing rest of the body says it.
        Protocol::Http => Ok(()),
    }
}

/// A status without a message.
async fn grpc_status(
    session: &mut Session,
    context: &mut Context,
    status: HeaderMap,
    extra: HeaderMap,
) -> Result<()> {
    context.grpc_status = status
        .get(GRPC_STATUS)
        .and_then(|code| code.to_str().ok()?.parse().ok());
    let mut answer = ResponseHeader::build(StatusCode::OK, SIZE_HINT)?;
    answer.insert_header(CONTENT_TYPE, context.protocol.content_type())?;
    if context.protocol == Protocol::Grpc && session.is_http2() {
        for (name, value) in extra {
            if let Some(name) = name {
                answer.insert_header(name, value)?;
            }
        }
        headers::dress(&mut answer, context)?;
        session
            .write_response_header(Box::new(answer), false)
            .await?;
        session.write_response_trailers(status).await
    } else {
        // gRPC-web: an answer without a message may have its trailers as headers.
        for (name, value) in status {
            if let Some(name) = name {
                answer.insert_header(name, value)?;
            }
        }
        answer.insert_header(CONTENT_LENGTH, 0)?;
        write(session, context, answer, extra, None).await
    }
}

async fn write(
    session: &mut Session,
    context: &Context,
    mut answer: ResponseHeader,
    extra: HeaderMap,
    body: Option<Bytes>,
) -> Result<()> {
    for (name, value) in extra {
        if let Some(name) = name {
            answer.insert_header(name, value)?;
        }
    }
    headers::dress(&mut answer, context)?;
    let end = body.is_none();
    session.write_response_header(Box::new(answer), end).await?;
    match body {
        Some(body) => write_body(session, body, true).await,
        None => session.write_response_body(None, true).await,
    }
}

/// Writes a body, or with `end` the rest of it, in parts that a caller can read
/// in time.
///
/// # Errors
/// When the caller is gone, or does not read.
pub async fn write_body(session: &mut Session, mut body: Bytes, end: bool) -> Result<()> {
    while body.len() > SLICE_BYTES {
        let slice = body.split_to(SLICE_BYTES);
        session.write_response_body(Some(slice), false).await?;
    }
    session.write_response_body(Some(body), end).await
}

fn status_headers(status: &Status) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).map_err(|_| {
        pingora::Error::explain(
            pingora::ErrorType::InternalError,
            "a status is not a header",
        )
    })?;
    Ok(headers)
}
