//! Before TLS: who connects has a place, and says the first word in time.
//! Pingora gives the whole handshake a minute, which is long for those who say
//! nothing.

use async_trait::async_trait;
use pingora::{
    Error, ErrorType, OrErr as _, Result,
    http::ResponseHeader,
    listeners::PreTlsProcess,
    protocols::{GetProxyDigest as _, Peek as _, l4::stream::Stream, raw_connect::ProxyDigest},
};

use crate::places::Places;

/// The head of a record of TLS.
const RECORD_HEAD_BYTES: usize = 5;

/// Waits for the first bytes of a handshake.
#[derive(Debug)]
pub struct Hello(Places);

impl Hello {
    /// Gives these places.
    pub fn new(places: Places) -> Self {
        Self(places)
    }
}

#[async_trait]
impl PreTlsProcess for Hello {
    async fn process(&self, stream: &mut Stream) -> Result<()> {
        let Some(place) = self.0.take(stream) else {
            return Err(Error::explain(ErrorType::AcceptError, "no place"));
        };
        // The one place of a stream that takes what is ours, until it ends.
        let nothing = Box::new(ResponseHeader::build(200, Some(0))?);
        stream.set_proxy_digest(ProxyDigest::new(nothing, Some(Box::new(place))));
        let mut head = [0; RECORD_HEAD_BYTES];
        let patience = self.0.bounds().patience.head();
        match tokio::time::timeout(patience, stream.try_peek(&mut head)).await {
            Ok(peeked) => peeked
                .map(drop)
                .or_err(ErrorType::ConnectionClosed, "before TLS began"),
            Err(_) => Err(Error::explain(
                ErrorType::ReadTimedout,
                "TLS did not begin in time",
            )),
        }
    }
}
