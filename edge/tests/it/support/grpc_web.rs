//! A caller of gRPC-web as a browser is one: HTTP/1.1, frames by hand.

use std::net::SocketAddr;

use bytes::{Buf as _, BytesMut};
use edge::frame;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::Message;

use super::{PATIENCE, text};

/// A browser.
#[derive(Clone)]
pub(crate) struct GrpcWeb {
    client: Client<HttpConnector, Full<Bytes>>,
    edge: SocketAddr,
    pub(crate) headers: HeaderMap,
    as_text: bool,
}

/// What it hears.
#[derive(Debug)]
pub(crate) struct WebAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) messages: Vec<Bytes>,
    /// From the trailer frame, or from the headers.
    pub(crate) grpc_status: Option<i32>,
}

impl WebAnswer {
    pub(crate) fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }

    pub(crate) fn message<M: Message + Default>(&self) -> M {
        assert_eq!(self.grpc_status, Some(0), "{self:?}");
        assert_eq!(self.messages.len(), 1);
        M::decode(self.messages[0].clone()).unwrap()
    }
}

impl GrpcWeb {
    pub(crate) fn new(edge: SocketAddr) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            edge,
            headers: HeaderMap::new(),
            as_text: false,
        }
    }

    /// In base64.
    pub(crate) fn into_text(mut self) -> Self {
        self.as_text = true;
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) async fn call(&self, path: &str, message: &impl Message) -> WebAnswer {
        self.send(path, frame::data(&message.encode_to_vec())).await
    }

    /// Sends a body as it is.
    pub(crate) async fn send(&self, path: &str, body: Bytes) -> WebAnswer {
        let mut stream = self.open(path, body).await;
        let mut messages = Vec::new();
        while let Some(message) = stream.next().await {
            messages.push(message);
        }
        let grpc_status = stream
            .trailers
            .as_deref()
            .map_or_else(|| text(&stream.headers, "grpc-status").parse().ok(), status);
        WebAnswer {
            status: stream.status,
            headers: stream.headers,
            messages,
            grpc_status,
        }
    }

    /// Begins a call and leaves the answer to be read.
    pub(crate) async fn open(&self, path: &str, body: Bytes) -> WebStream {
        let (kind, body) = if self.as_text {
            ("application/grpc-web-text+proto", frame::encode_text(&body))
        } else {
            ("application/grpc-web+proto", body)
        };
        let mut request = Request::post(format!("http://{}{path}", self.edge))
            .header("content-type", kind)
            .header("accept", kind)
            .header("x-grpc-web", "1")
            .body(Full::new(body))
            .unwrap();
        request.headers_mut().extend(self.headers.clone());
        let sent = self.client.request(request);
        let response = tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap();
        let (head, body) = response.into_parts();
        WebStream {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            buffer: BytesMut::new(),
            trailers: None,
            as_text: self.as_text,
        }
    }
}

/// An answer that is still coming.
pub(crate) struct WebStream {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
    /// The trailer frame, when it came.
    pub(crate) trailers: Option<String>,
    as_text: bool,
}

impl WebStream {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some((flag, payload)) = self.take_frame() {
                if flag & 0x80 == 0 {
                    return Some(payload);
                }
                self.trailers = Some(String::from_utf8(payload.into()).unwrap());
                continue;
            }
            let next = tokio::time::timeout(PATIENCE, self.body.frame());
            let chunk = next.await.expect("the answer goes on")?.ok()?;
            let chunk = chunk.into_data().ok()?;
            if self.as_text {
                let decoded = frame::decode_text(&chunk).expect("whole groups in a chunk");
                self.buffer.extend_from_slice(&decoded);
            } else {
                self.buffer.extend_from_slice(&chunk);
            }
        }
    }

    fn take_frame(&mut self) -> Option<(u8, Bytes)> {
        let [flag, length @ ..]: [u8; frame::PREFIX_BYTES] = *self.buffer.first_chunk()?;
        let length = u32::from_be_bytes(length) as usize;
        if self.buffer.len() < frame::PREFIX_BYTES + length {
            return None;
        }
        self.buffer.advance(frame::PREFIX_BYTES);
        Some((flag, self.buffer.split_to(length).freeze()))
    }
}

/// `grpc-status` of a trailer frame.
pub(crate) fn status(trailers: &str) -> Option<i32> {
    trailers
        .lines()
        .find_map(|line| line.strip_prefix("grpc-status:")?.trim().parse().ok())
}
