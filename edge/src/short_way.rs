//! The short way of a small unary call: read whole, asked of the service,
//! answered. Pingora's own way is made for bodies of any length that flow in
//! both directions at once, and takes twice the time for a call that does not.
//! The same hooks are called in the same order, so nothing else knows which way
//! a call took. It must never take a stream, and never a caller of HTTP/1.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt as _;
use http::header::HOST;
use pingora::{
    Error, ErrorType, Result,
    connectors::{ConnectorOptions, http::v2::Connector},
    protocols::http::{HttpTask, client::HttpSession, v2::client::Http2Session},
    proxy::{ProxyHttp as _, Session},
    upstreams::peer::{HttpPeer, Peer as _},
};

use crate::{
    answer,
    body::{self, Body},
    context::Context,
    proxy::Edge,
    refusal::Refusal,
    route::Route,
    upstream::MAX_ATTEMPTS,
};

/// Longer requests go the long way. Below what Pingora keeps of a body that was
/// read, so that they still can.
const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// How long a caller may take to send so little.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to services for such calls.
#[derive(Clone)]
pub struct ShortWay {
    connector: Arc<Connector>,
}

impl std::fmt::Debug for ShortWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShortWay").finish_non_exhaustive()
    }
}

/// One attempt at an instance.
struct Attempt<'a> {
    edge: &'a Edge,
    peer: &'a HttpPeer,
    body: &'a Bytes,
}

impl ShortWay {
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
    pub async fn answer(
        &self,
        edge: &Edge,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<bool> {
        if !is_short(session, context) {
            return Ok(false);
        }
        let patience = context.deadline.left_of(REQUEST_TIMEOUT);
        let read = body::read(session, MAX_REQUEST_BYTES, patience).await;
        let body = match read.map_err(Error::into_down)? {
            Body::Whole(body) => body,
            Body::Long => return Ok(false),
            Body::Lost => {
                answer::refuse(session, context, Refusal::BodyTooLarge).await?;
                return Ok(true);
            }
            Body::Late => {
                let refusal = body::late(context);
                answer::refuse(session, context, refusal).await?;
                return Ok(true);
            }
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let peer = edge.upstream_peer(session, context).await?;
            let attempt = Attempt {
                edge,
                peer: &peer,
                body: &body,
            };
            match self.attempt(attempt, session, context).await {
                Ok(()) => return Ok(true),
                Err(error) if attempts < MAX_ATTEMPTS && error.retry() => {
                    tracing::debug!(%error, "asked again");
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        attempt: Attempt<'_>,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<()> {
        let Attempt { edge, peer, .. } = attempt;
        let connected = match self.connector.reused_http_session(peer).await {
            Ok(Some(client)) => Ok((client, true)),
            // On the heap, so that no other call pays for it.
            Ok(None) => Box::pin(self.connect(peer))
                .await
                .map(|client| (client, false)),
            Err(error) => Err(error),
        };
        let (mut client, reused) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                let error = error.into_up();
                return Err(edge.fail_to_connect(session, peer, context, error));
            }
        };
        let outcome = attempt.exchange(session, context, &mut client).await;
        if let Err(error) = &outcome {
            client.shutdown(); // tells the service that nobody waits any more
            if matches!(error.etype(), ErrorType::ReadTimedout) {
                // It may hang as a whole: no more calls over it.
                client.conn.mark_shutdown();
            }
        }
        self.connector
            .release_http_session(client, peer, peer.idle_timeout());
        outcome.map_err(|error| edge.error_while_proxy(peer, session, error, context, reused))
    }
}

impl ShortWay {
    async fn connect(&self, peer: &HttpPeer) -> Result<Http2Session> {
        match self.connector.new_http_session(peer).await? {
            HttpSession::<()>::H2(client) => Ok(client),
            _ => Err(Error::new_up(ErrorType::InvalidH2)),
        }
    }
}

/// Whether a call looks like one for the short way.
fn is_short(session: &Session, context: &Context) -> bool {
    matches!(&context.route, Some(Route::Method(method)) if !method.policy.streaming)
        && session.is_http2()
        && session.req_header().uri.authority().is_some()
}

impl Attempt<'_> {
    /// Asks the service and passes its answer on, as it comes.
    async fn exchange(
        self,
        session: &mut Session,
        context: &mut Context,
        client: &mut Http2Session,
    ) -> Result<()> {
        let Self { edge, peer, body } = self;
        let mut request = session.req_header().clone();
        edge.upstream_request_filter(session, &mut request, context)
            .await?;
        request.remove_header(&HOST); // `:authority` says it
        let mut filtered = Some(body.clone());
        edge.request_body_filter(session, &mut filtered, true, context)
            .await?;
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
        let mut ended = has_ended(client)?;
        edge.response_filter(session, &mut answer, context).await?;
        // What came together goes on together.
        let mut parts = vec![HttpTask::Header(Box::new(answer), ended)];
        while !ended {
            let chunk = if let Some(chunk) = client.read_response_body().now_or_never() {
                chunk
            } else {
                write(session, &mut parts).await?;
                client.read_response_body().await
            };
            let Some(chunk) = chunk.map_err(Error::into_up)? else {
                break;
            };
            ended = has_ended(client)?;
            let mut chunk = Some(chunk);
            edge.response_body_filter(session, &mut chunk, ended, context)?;
            parts.push(HttpTask::Body(chunk, ended));
        }
        if !ended {
            let mut trailers = client.read_trailers().await.map_err(Error::into_up)?;
            if let Some(trailers) = &mut trailers {
                edge.upstream_response_trailer_filter(session, trailers, context)?;
            }
            parts.push(HttpTask::Trailer(trailers.map(Box::new)));
        }
        write(session, &mut parts).await
    }
}

fn has_ended(client: &mut Http2Session) -> Result<bool> {
    client.check_response_end_or_error().map_err(Error::into_up)
}

async fn write(session: &mut Session, parts: &mut Vec<HttpTask>) -> Result<()> {
    session
        .write_response_tasks(std::mem::take(parts))
        .await
        .map(drop)
        .map_err(Error::into_down)
}
