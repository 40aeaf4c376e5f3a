//! Asks a service one question for the cache: a unary call of our own, over
//! connections of our own. It carries nothing of the caller's but the trace,
//! so an answer cannot depend on who asked.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_TYPE, HOST, TE},
};
use pingora::{
    connectors::{ConnectorOptions, http::Connector},
    http::RequestHeader,
    protocols::http::{client::HttpSession, v2::client::Http2Session},
    upstreams::peer::HttpPeer,
};

use crate::{
    deadline::GRPC_TIMEOUT,
    frame, metrics,
    refusal::Refusal,
    route::MethodRoute,
    trace::{TRACEPARENT, Trace},
    upstream::Upstreams,
};

/// Connections without requests that are kept.
const POOL_SIZE: usize = 64;
/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// A read may be repeated once, when a kept connection turns out to be dead.
const ATTEMPTS: usize = 2;
/// The service may say itself that the time is over: it is given this longer.
const GRACE: Duration = Duration::from_millis(200);

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

/// Asks services.
#[derive(Clone)]
pub struct Origin {
    connector: Arc<Connector>,
    upstreams: Upstreams,
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

/// Why there is no answer, and whether another attempt may get one.
struct Failure {
    refusal: Refusal,
    repeat: bool,
}

impl Origin {
    /// Asks the services at these addresses.
    pub fn new(upstreams: Upstreams) -> Self {
        Self {
            connector: Arc::new(Connector::new(Some(ConnectorOptions::new(POOL_SIZE)))),
            upstreams,
        }
    }

    /// Calls a unary method that changes nothing.
    ///
    /// # Errors
    /// When no answer comes in time; the service's own error is an answer.
    pub async fn ask(
        &self,
        route: &MethodRoute,
        message: &Bytes,
        trace: &Trace,
        timeout: Duration,
    ) -> Result<Reply, Refusal> {
        let peer = self.upstreams.peer(route.service, timeout + GRACE)?;
        let mut last = Refusal::UpstreamUnavailable;
        for _ in 0..ATTEMPTS {
            match self.attempt(&peer, route, message, trace, timeout).await {
                Ok(reply) => return Ok(reply),
                Err(Failure { refusal, repeat }) => {
                    metrics::upstream_failed(route.service, &refusal);
                    last = refusal;
                    if !repeat {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    async fn attempt(
        &self,
        peer: &HttpPeer,
        route: &MethodRoute,
        message: &Bytes,
        trace: &Trace,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let (session, reused) = self
            .connector
            .get_http_session(peer)
            .await
            .map_err(|error| {
                tracing::warn!(service = route.service.name(), %error, "service not reached");
                Failure {
                    refusal: Refusal::UpstreamUnavailable,
                    repeat: false,
                }
            })?;
        let HttpSession::H2(mut session) = session else {
            return Err(Failure {
                refusal: Refusal::UpstreamBroken,
                repeat: false,
            });
        };
        let call = exchange(&mut session, peer, route, message, trace, timeout);
        let outcome = tokio::time::timeout(timeout + GRACE, call).await;
        if !matches!(outcome, Ok(Ok(_))) {
            session.shutdown(); // tells the service that nobody waits any more
        }
        self.connector
            .release_http_session(HttpSession::H2(session), peer, peer.options.idle_timeout)
            .await;
        match outcome {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                tracing::warn!(service = route.service.name(), %error, "service broke off");
                Err(Failure {
                    refusal: Refusal::UpstreamBroken,
                    repeat: reused,
                })
            }
            Err(_) => Err(Failure {
                refusal: Refusal::DeadlineExceeded,
                repeat: false,
            }),
        }
    }
}

async fn exchange(
    session: &mut Http2Session,
    peer: &HttpPeer,
    route: &MethodRoute,
    message: &Bytes,
    trace: &Trace,
    timeout: Duration,
) -> pingora::Result<Reply> {
    let mut request = RequestHeader::build("POST", route.policy.path.as_bytes(), None)?;
    request.insert_header(HOST, peer._address.to_string())?;
    request.insert_header(CONTENT_TYPE, "application/grpc")?;
    request.insert_header(TE, "trailers")?;
    request.insert_header(GRPC_TIMEOUT, svc_kit::deadline::format(timeout))?;
    request.insert_header(TRACEPARENT, trace.to_string())?;
    session.write_request_header(Box::new(request), false)?;
    session
        .write_request_body(frame::data(message), true)
        .await?;
    session.read_response_header().await?;

    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_response_body().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return pingora::Error::e_explain(
                pingora::ErrorType::InvalidHTTPHeader,
                "answer too large",
            );
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
        return pingora::Error::e_explain(pingora::ErrorType::InvalidHTTPHeader, "no grpc-status");
    };
    let body = if code == 0 {
        frame::single(&body.freeze()).map_err(|_| {
            pingora::Error::explain(pingora::ErrorType::InvalidHTTPHeader, "not one message")
        })?
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
