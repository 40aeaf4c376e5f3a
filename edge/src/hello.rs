//! Who connects to speak TLS says the first word in time. Pingora gives the
//! whole handshake a minute, which is long for those who say nothing.

use std::time::Duration;

use async_trait::async_trait;
use pingora::{
    Error, ErrorType, OrErr as _, Result,
    listeners::PreTlsProcess,
    protocols::{Peek as _, l4::stream::Stream},
};

/// The head of a record of TLS.
const RECORD_HEAD_BYTES: usize = 5;

/// Waits for the first bytes of a handshake.
#[derive(Debug)]
pub struct Hello(Duration);

impl Hello {
    /// Waits so long.
    pub fn within(patience: Duration) -> Self {
        Self(patience)
    }
}

#[async_trait]
impl PreTlsProcess for Hello {
    async fn process(&self, stream: &mut Stream) -> Result<()> {
        let mut head = [0; RECORD_HEAD_BYTES];
        match tokio::time::timeout(self.0, stream.try_peek(&mut head)).await {
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
