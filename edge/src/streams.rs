//! Streams have no end of their own. When the time of a drain is over they are
//! ended from behind, as if the service had gone: so their callers are told
//! UNAVAILABLE and come back, instead of finding the connection broken.
//!
//! Streams have connections to services that they share with streams only.

use std::{
    fmt::{self, Debug, Formatter},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use pingora::{
    Error, ErrorType, OrErr as _, Result,
    connectors::L4Connect,
    protocols::l4::{
        socket::SocketAddr,
        stream::Stream,
        virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
    upstreams::peer::HttpPeer,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Keeps their connections apart from those of other requests.
const GROUP: u64 = 1;

/// The end of all streams.
#[derive(Debug, Clone, Default)]
pub struct Streams(Arc<Connector>);

#[derive(Debug, Default)]
struct Connector(CancellationToken);

impl Streams {
    /// Lets a stream to this peer be ended.
    pub fn join(&self, peer: &mut HttpPeer) {
        peer.group_key = GROUP;
        peer.options.custom_l4 = Some(Arc::<Connector>::clone(&self.0));
    }

    /// Ends them.
    pub fn end(&self) {
        self.0.0.cancel();
    }
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "not an internet address");
        };
        let tcp = TcpStream::connect(address)
            .await
            .or_err(ErrorType::ConnectError, "a stream's service")?;
        let socket = Mortal {
            tcp,
            end: Box::pin(self.0.clone().cancelled_owned()),
        };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

/// A connection on which nothing more comes when the end has come.
struct Mortal {
    tcp: TcpStream,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Debug for Mortal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mortal").finish_non_exhaustive()
    }
}

impl VirtualSocket for Mortal {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            _ => Ok(()), // it is HTTP/2 that looks whether the other end lives
        }
    }
}

impl AsyncRead for Mortal {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
