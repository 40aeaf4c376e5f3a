//! The short way of a small unary call: read whole, asked of the service,
//! answered. Pingora's own way is made for bodies of any length that flow in
//! both directions at once, and takes twice the time for a call that does not.
//! The same hooks are called in the same order, so nothing else knows which way
//! a call took. It must never take a stream, and never a caller of HTTP/1.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::header::HOST;
use pingora::{
    Error, ErrorType, Result,
    connectors::{ConnectorOptions, http::Connector},
    protocols::http::{HttpTask, client::HttpSession, v2::client::Http2Session},
    proxy::{ProxyHttp as _, Session},
    upstreams::peer::{HttpPeer, Peer as _},
};

use crate::{
    answer, context::Context, headers, proxy::Edge, refusal::Refusal, route::Route,
    server::MAX_ATTEMPTS,
};

/// Longer requests go the long way. Below what Pingora keeps of a body that was
/// read, so that it still can.
const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// How long a caller may take to send so little.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to services for such calls.
#[derive(Clone)]
pub struct Unary {
    connector: Arc<Connector>,
}

impl std::fmt::Debug for Unary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unary").finish_non_exhaustive()
    }
}

/// What was read of a request.
enum Request {
    Whole(Bytes),
    /// More than is read here.
    Long,
    Late,
}

impl Unary {
    /// Keeps so many connections that have nothing to do.
    pub fn new(pool_size: usize) -> Self {
        Self {
            connector: Arc::new(Connector::new(Some(ConnectorOptions::new(pool_size)))),
        }
    }

    /// Answers a call by its service; says whether it did. If not, the call
    /// goes the long way.
    ///
    /// # Errors
    /// When the service does not answer, or the caller is gone.
    pub async fn forward(
        &self,
        edge: &Edge,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<bool> {
        if !is_short(session, context) {
            return Ok(false);
        }
        let body = match read(session).await? {
            Request::Whole(body) => body,
            Request::Long => return Ok(false),
            Request::Late => {
                answer::refuse(session, context, Refusal::BodyTimeout).await?;
                return Ok(true);
            }
        };
        let mut filtered = Some(body);
        edge.request_body_filter(session, &mut filtered, true, context)
            .await?;
        let body = filtered.unwrap_or_default();
        let mut attempt = 1;
        loop {
            let peer = edge.upstream_peer(session, context).await?;
            match self.attempt(edge, session, context, &peer, &body).await {
                Ok(()) => return Ok(true),
                Err(error) if attempt < MAX_ATTEMPTS && error.retry() => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        edge: &Edge,
        session: &mut Session,
        context: &mut Context,
        peer: &HttpPeer,
        body: &Bytes,
    ) -> Result<()> {
        let (client, reused) = match self.connector.get_http_session(peer).await {
            Ok(connected) => connected,
            Err(error) => {
                let error = error.into_up();
                return Err(edge
                    .fail_to_connect(session, peer, context, error)
                    .into_up());
            }
        };
        let HttpSession::H2(mut client) = client else {
            return Err(Error::new_up(ErrorType::InvalidH2));
        };
        let outcome = exchange(edge, session, context, peer, &mut client, body, reused).await;
        if let Err(error) = &outcome {
            client.shutdown(); // tells the service that nobody waits any more
            if matches!(error.etype(), ErrorType::ReadTimedout) {
                // It may hang as a whole: no more calls over it.
                client.conn.mark_shutdown();
            }
        }
        self.connector
            .release_http_session(HttpSession::H2(client), peer, peer.idle_timeout())
            .await;
        outcome.map_err(|error| edge.error_while_proxy(peer, session, error, context, reused))
    }
}

/// Whether a call looks like one for the short way.
fn is_short(session: &Session, context: &Context) -> bool {
    let request = session.req_header();
    matches!(&context.route, Some(Route::Method(method)) if !method.policy.streaming)
        && session.is_http2()
        && request.uri.authority().is_some()
        && headers::content_length(&request.headers)
            .is_none_or(|length| length <= MAX_REQUEST_BYTES)
}

/// Reads a request. What has been read stays in the session's buffer, so that
/// it can still go the long way.
async fn read(session: &mut Session) -> Result<Request> {
    session.enable_retry_buffering();
    let mut body = Bytes::new();
    while !session.is_body_done() {
        let chunk = session.read_request_body();
        let Ok(chunk) = tokio::time::timeout(REQUEST_TIMEOUT, chunk).await else {
            return Ok(Request::Late);
        };
        match chunk.map_err(Error::into_down)? {
            Some(chunk) if body.is_empty() => body = chunk,
            Some(chunk) => {
                let mut longer = BytesMut::from(body);
                longer.extend_from_slice(&chunk);
                body = longer.freeze();
            }
            None => break,
        }
        if body.len() > MAX_REQUEST_BYTES {
            return Ok(Request::Long);
        }
    }
    Ok(Request::Whole(body))
}

/// Asks a service and passes its answer on, as it comes.
async fn exchange(
    edge: &Edge,
    session: &mut Session,
    context: &mut Context,
    peer: &HttpPeer,
    client: &mut Http2Session,
    body: &Bytes,
    reused: bool,
) -> Result<()> {
    let (fd, digest) = (client.fd(), client.digest());
    edge.connected_to_upstream(session, reused, peer, fd, digest, context)
        .await?;
    let mut request = session.req_header().clone();
    edge.upstream_request_filter(session, &mut request, context)
        .await?;
    request.remove_header(&HOST); // `:authority` says it
    client.read_timeout = peer.options.read_timeout;
    client.write_timeout = peer.options.write_timeout;
    client
        .write_request_header(Box::new(request), body.is_empty())
        .map_err(Error::into_up)?;
    if !body.is_empty() {
        client
            .write_request_body(body.clone(), true)
            .await
            .map_err(Error::into_up)?;
    }
    tokio::select! {
        biased;
        read = client.read_response_header() => read.map_err(Error::into_up)?,
        left = session.as_downstream_mut().read_body_or_idle(true) => {
            return Err(left.err().map_or_else(
                || Error::new_down(ErrorType::ConnectionClosed),
                Error::into_down,
            ));
        }
    }

    let Some(mut answer) = client.response_header().cloned() else {
        return Err(Error::new_up(ErrorType::InvalidHTTPHeader));
    };
    let mut ended = client
        .check_response_end_or_error()
        .map_err(Error::into_up)?;
    edge.response_filter(session, &mut answer, context).await?;
    write(session, HttpTask::Header(Box::new(answer), ended)).await?;
    while !ended {
        let chunk = client.read_response_body().await.map_err(Error::into_up)?;
        let Some(chunk) = chunk else {
            break;
        };
        ended = client
            .check_response_end_or_error()
            .map_err(Error::into_up)?;
        let mut chunk = Some(chunk);
        edge.response_body_filter(session, &mut chunk, ended, context)?;
        write(session, HttpTask::Body(chunk, ended)).await?;
    }
    if !ended {
        let mut trailers = client.read_trailers().await.map_err(Error::into_up)?;
        if let Some(trailers) = &mut trailers {
            edge.upstream_response_trailer_filter(session, trailers, context)?;
        }
        write(session, HttpTask::Trailer(trailers.map(Box::new))).await?;
    }
    Ok(())
}

async fn write(session: &mut Session, part: HttpTask) -> Result<()> {
    session
        .write_response_tasks(vec![part])
        .await
        .map(drop)
        .map_err(Error::into_down)
}
