//! Callers that speak bytes: what they like, as slowly as they like.

use std::net::SocketAddr;

use prost::Message as _;
use proto::souk::catalog::v1::GetProductRequest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::PATIENCE;

/// A connection without manners.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(edge: SocketAddr) -> Self {
        Self(TcpStream::connect(edge).await.unwrap())
    }

    /// Sends, if the other end still listens.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// All that comes until the other end closes, which it must.
    pub(crate) async fn hear_out(&mut self) -> String {
        let mut heard = Vec::new();
        let reading = async {
            let mut part = [0; 4096];
            // A reset is an end, too.
            while let Ok(count @ 1..) = self.0.read(&mut part).await {
                heard.extend_from_slice(&part[..count]);
            }
        };
        let closed = tokio::time::timeout(PATIENCE, reading).await;
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(closed.is_ok(), "it is not closed after {heard:?}");
        heard
    }

    /// What comes until it has this in it.
    pub(crate) async fn hear_until(&mut self, end: &str) -> String {
        let mut heard = String::new();
        let reading = async {
            let mut part = [0; 4096];
            while !heard.contains(end) {
                let count = self.0.read(&mut part).await.unwrap();
                assert!(count > 0, "closed after {heard:?}");
                heard.push_str(&String::from_utf8_lossy(&part[..count]));
            }
        };
        let came = tokio::time::timeout(PATIENCE, reading).await;
        assert!(came.is_ok(), "only {heard:?}");
        heard
    }
}

/// Says all this and hears the other end out.
pub(crate) async fn say_all(edge: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut raw = Raw::connect(edge).await;
    raw.say(bytes).await;
    raw.hear_out().await
}

/// The status of the first answer, 0 without one.
pub(crate) fn status(answer: &str) -> u16 {
    answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or(0)
}

/// A whole request of gRPC-web for a product, over HTTP/1.1.
pub(crate) fn get_product(id: &str) -> Vec<u8> {
    let message = GetProductRequest { id: id.to_owned() }.encode_to_vec();
    let body = edge::frame::data(&message);
    let head = format!(
        "POST /souk.catalog.v1.CatalogService/GetProduct HTTP/1.1\r\nhost: shop\r\n\
         content-type: application/grpc-web+proto\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}
