//! What stands behind all servers: it answers every call at once with the same
//! bytes, and counts, so that one can tell what came from a cache. It runs in
//! this process, whose CPU is not counted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes};
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use prost::Message as _;
use proto::souk::catalog::v1::Product;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The product that is asked for.
pub(super) const PRODUCT_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Bytes of its message.
const PRODUCT_BYTES: usize = 1500;
/// Bytes of the message of a small answer.
pub(super) const SMALL_BYTES: usize = 64;
/// Bytes of a large file.
pub(super) const LARGE_BYTES: usize = 100 << 10;
/// Files are kept for longer than a run takes.
const KEEP: &str = "public, max-age=86400";
/// Calls at once on one connection: no server should wait here.
const MAX_STREAMS: u32 = 1000;

type Body = BoxBody<Bytes, Infallible>;

/// The origin. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    answers: Arc<Answers>,
    _listening: JoinSet<()>,
}

#[derive(Debug)]
struct Answers {
    product: Bytes,
    small: Bytes,
    large: Bytes,
    trailers: Bytes,
    jwks: Bytes,
    count: AtomicU64,
}

impl Origin {
    /// Listens on a free port.
    pub(super) async fn start(jwks: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port for the origin")?;
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers {
            product: framed(&product()).into(),
            small: framed(&small()).into(),
            large: vec![b'x'; LARGE_BYTES].into(),
            trailers: trailers().into(),
            jwks: jwks.into(),
            count: AtomicU64::new(0),
        });
        let mut listening = JoinSet::new();
        let shared = Arc::clone(&answers);
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            answers,
            _listening: listening,
        })
    }

    /// How many requests have come so far.
    pub(super) fn count(&self) -> u64 {
        self.answers.count.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, answers: Arc<Answers>) {
    // It only costs speed.
    let _slower = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(MAX_STREAMS);
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { answers.answer(request).await }
    });
    // Servers close connections as they like.
    let _closed = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Answers {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if head.method == Method::GET {
            return Ok(match path {
                "/.well-known/jwks.json" => file(self.jwks.clone(), "application/json"),
                "/files/1k" => self.counted(|| self.large.slice(..1 << 10)),
                "/files/100k" => self.counted(|| self.large.clone()),
                _ => status(StatusCode::NOT_FOUND),
            });
        }
        // A call that was not read to its end was broken off.
        if body.collect().await.is_err() {
            return Ok(status(StatusCode::BAD_REQUEST));
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let message = if path.ends_with("/GetProduct") {
            self.product.clone()
        } else {
            self.small.clone()
        };
        let kind = head.headers.get(CONTENT_TYPE).cloned();
        let is_web = kind
            .as_ref()
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc-web"));
        let mut response = Response::new(if is_web {
            Full::new([message, self.trailers.clone()].concat().into()).boxed()
        } else {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let frames = [Ok(Frame::data(message)), Ok(Frame::trailers(trailers))];
            BoxBody::new(StreamBody::new(stream::iter(frames)))
        });
        if let Some(kind) = kind {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        Ok(response)
    }

    fn counted(&self, bytes: impl FnOnce() -> Bytes) -> Response<Body> {
        self.count.fetch_add(1, Ordering::Relaxed);
        file(bytes(), "application/octet-stream")
    }
}

fn file(bytes: Bytes, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(bytes).boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = status;
    response
}

/// The message of the product.
pub(super) fn product() -> Vec<u8> {
    let mut product = Product {
        id: PRODUCT_ID.to_owned(),
        title: "A product".to_owned(),
        ..Product::default()
    };
    // A string of this length costs a tag and two bytes of length.
    let left = PRODUCT_BYTES - product.encoded_len() - 3;
    product.description = "d".repeat(left);
    product.encode_to_vec()
}

fn small() -> Vec<u8> {
    let title = "s".repeat(SMALL_BYTES - 2);
    Product {
        title,
        ..Product::default()
    }
    .encode_to_vec()
}

/// A message with gRPC's prefix.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    frame(0, message)
}

/// What an answer of gRPC-web ends with.
pub(super) fn trailers() -> Vec<u8> {
    frame(0x80, b"grpc-status:0\r\n")
}

fn frame(flag: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(5 + payload.len());
    frame.put_u8(flag);
    frame.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    frame.put_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_sizes_that_are_told() {
        assert_eq!(product().len(), PRODUCT_BYTES);
        assert_eq!(small().len(), SMALL_BYTES);
    }
}
