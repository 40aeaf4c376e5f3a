//! Asks an origin for a page, over connections of the cache's own: a fetch may
//! outlive the caller who began it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, Method, Version,
    header::{
        CONTENT_LENGTH, COOKIE, EXPECT, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        IF_UNMODIFIED_SINCE, RANGE,
    },
};
use pingora::{
    Result,
    connectors::{ConnectorOptions, http::Connector},
    http::{RequestHeader, ResponseHeader},
    protocols::http::client::HttpSession,
    upstreams::peer::HttpPeer,
};

use super::{entry, url::Url};
use crate::{
    headers, metrics,
    refusal::Refusal,
    site::{Place, Site},
};

/// Connections without requests that are kept.
const POOL_SIZE: usize = 64;
/// A read may be repeated once, when a kept connection turns out to be dead.
const ATTEMPTS: usize = 2;
/// Addresses that cannot be reached, and are passed over.
const MAX_UNREACHED: usize = 1;
/// Answers that come before the final one.
const MAX_INFORMATIONAL: usize = 8;
/// What a caller asks of its own copy, or sends with a body: the whole is
/// fetched for all.
const OF_THE_CALLER: [HeaderName; 8] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
    RANGE,
    EXPECT,
    CONTENT_LENGTH,
];

/// Asks origins. Cheap to clone.
#[derive(Clone)]
pub struct Fetch(Arc<Connector>);

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetch")
    }
}

/// An answer of which the headers have come. Dropped before its end, it closes
/// the connection.
pub struct Arrival {
    /// Its headers.
    pub answer: ResponseHeader,
    session: HttpSession,
    connector: Arc<Connector>,
    peer: HttpPeer,
    /// Held until the end.
    _place: Place,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival")
            .field("status", &self.answer.status)
            .finish_non_exhaustive()
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self(Arc::new(Connector::new(Some(ConnectorOptions::new(
            POOL_SIZE,
        )))))
    }
}

impl Fetch {
    /// Sends a request without a body and waits for the answer's headers; each
    /// part of the answer may take so long.
    ///
    /// # Errors
    /// When the origin has as many requests as it may have, or no answer comes
    /// in time.
    pub async fn send(
        &self,
        site: &Site,
        request: &RequestHeader,
        timeout: Duration,
    ) -> Result<Arrival, Refusal> {
        let sent = self.try_send(site, request, timeout).await;
        if let Err(refusal) = &sent {
            metrics::origin_failed(site.prefix(), refusal);
        }
        sent
    }

    async fn try_send(
        &self,
        site: &Site,
        request: &RequestHeader,
        timeout: Duration,
    ) -> Result<Arrival, Refusal> {
        let place = site.place()?;
        let (mut attempts, mut unreached) = (0, 0);
        loop {
            let peer = site.peer(timeout)?;
            let (mut session, reused) = match self.0.get_http_session(&peer).await {
                Ok(connected) => connected,
                Err(error) => {
                    tracing::warn!(prefix = site.prefix(), %error, "origin not reached");
                    unreached += 1;
                    if site.pass_over(&peer) && unreached <= MAX_UNREACHED {
                        continue;
                    }
                    return Err(Refusal::UpstreamUnavailable);
                }
            };
            attempts += 1;
            session.set_read_timeout(Some(timeout));
            session.set_write_timeout(Some(timeout));
            let exchange = exchange(&mut session, request);
            match tokio::time::timeout(timeout, exchange).await {
                Ok(Ok(answer)) => {
                    return Ok(Arrival {
                        answer,
                        session,
                        connector: Arc::clone(&self.0),
                        peer,
                        _place: place,
                    });
                }
                Ok(Err(error)) if reused && attempts < ATTEMPTS => {
                    tracing::debug!(prefix = site.prefix(), %error, "asked once more");
                }
                Ok(Err(error)) => {
                    tracing::warn!(prefix = site.prefix(), %error, "origin broke off");
                    return Err(Refusal::UpstreamBroken);
                }
                Err(_) => return Err(Refusal::DeadlineExceeded),
            }
        }
    }
}

async fn exchange(session: &mut HttpSession, request: &RequestHeader) -> Result<ResponseHeader> {
    session
        .write_request_header(Box::new(request.clone()))
        .await?;
    session.finish_request_body().await?;
    for _ in 0..MAX_INFORMATIONAL {
        session.read_response_header().await?;
        if let Some(answer) = session.response_header()
            && !answer.status.is_informational()
        {
            let mut answer = answer.clone();
            answer.set_version(Version::HTTP_11);
            return Ok(answer);
        }
    }
    pingora::Error::e_explain(pingora::ErrorType::InvalidHTTPHeader, "no final answer")
}

impl Arrival {
    /// The next part of the body; `None` at its end.
    ///
    /// # Errors
    /// When the origin breaks off or is silent for too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.session.read_response_body().await? {
                Some(chunk) if chunk.is_empty() && !self.session.response_done() => {}
                chunk => return Ok(chunk.filter(|chunk| !chunk.is_empty())),
            }
        }
    }

    /// Gives the connection back after the body's end.
    pub async fn finish(self) {
        let idle = self.peer.options.idle_timeout;
        self.connector
            .release_http_session(self.session, &self.peer, idle)
            .await;
    }
}

/// Turns a caller's GET or HEAD of a URL into one for the whole page, over
/// HTTP/1.1. It names the host that the page is kept under.
///
/// # Errors
/// Never in practice: all values are valid headers.
pub fn whole(request: &RequestHeader, url: &Url) -> Result<RequestHeader> {
    let mut whole = request.clone();
    whole.set_version(Version::HTTP_11);
    whole.set_method(Method::GET);
    whole.insert_header(HOST, url.host())?;
    for name in entry::hop_by_hop().iter().chain(&OF_THE_CALLER) {
        whole.remove_header(name);
    }
    headers::remove(&mut whole, headers::is_method_override);
    // HTTP/2 lets each cookie be a field; HTTP/1.1 wants one.
    let mut cookies = Vec::new();
    for cookie in request.headers.get_all(COOKIE) {
        cookies.push(cookie.as_bytes());
    }
    if cookies.len() > 1 {
        whole.insert_header(COOKIE, cookies.join(&b"; "[..]))?;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn an_origin_is_asked_at_its_next_address_when_one_cannot_be_reached() {
        let (dead, living) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let site = Site::at(&[dead.local_addr().unwrap(), living.local_addr().unwrap()]);
        drop(dead);
        tokio::spawn(async move {
            let (mut stream, _) = living.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        });
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.insert_header(HOST, "x").unwrap();
        let fetch = Fetch::default();
        let sent = fetch.send(&site, &request, Duration::from_secs(20)).await;
        assert_eq!(sent.unwrap().answer.status, 204);
    }
}
