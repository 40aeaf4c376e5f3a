//! What is measured: a kind of request, sent to each server that can answer it.

use std::fmt;

use clap::ValueEnum;
use prost::Message as _;
use proto::souk::catalog::v1::{BatchGetProductsRequest, GetProductRequest};
use proto::souk::identity::v1::LogInRequest;
use proto::souk::order::v1::GetOrderRequest;

use super::origin::{LARGE_BYTES, PRODUCT_ID, SMALL_BYTES, framed, product, trailers};
use super::peer::Peer;

/// Connections at once.
const CONNECTIONS: usize = 32;
/// Requests at once on each of HTTP/2.
const STREAMS: usize = 10;

/// A read that anybody may make and nobody keeps.
const BATCH: &str = "/souk.catalog.v1.CatalogService/BatchGetProducts";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Row {
    /// A gRPC-web POST that is answered from the cache, over TLS and HTTP/2.
    CachedGrpcWeb,
    /// A GET of 1 KB from the cache, over HTTP/1.1 without TLS.
    Get1kH1,
    /// A GET of 100 KB from the cache, over HTTP/1.1 without TLS.
    Get100kH1,
    /// A GET of 1 KB from the cache, over TLS and HTTP/2.
    Get1kH2,
    /// A GET of 100 KB from the cache, over TLS and HTTP/2.
    Get100kH2,
    /// A small call of gRPC that goes through, over TLS.
    PassGrpc,
    /// A small call of gRPC-web that goes through, over TLS.
    PassGrpcWeb,
    /// A small call of gRPC whose token is checked.
    Jwt,
    /// A small call of gRPC that is counted against a limit.
    Limited,
    /// Memory of TLS connections that do nothing.
    Idle,
}

/// What a request carries and what its answer must be.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) path: &'static str,
    /// Over HTTP/1.1 without TLS; all others over HTTP/2 with it.
    pub(super) plain: bool,
    pub(super) content_type: Option<&'static str>,
    /// Posted when there is one.
    pub(super) body: Option<Vec<u8>>,
    pub(super) with_token: bool,
    /// Bytes of the answer's body.
    pub(super) answer_bytes: usize,
    /// Whether the cache answers, or the origin.
    pub(super) cached: bool,
}

impl Row {
    /// All of them, in the order in which they are printed.
    pub const ALL: [Self; 10] = [
        Self::CachedGrpcWeb,
        Self::Get1kH1,
        Self::Get100kH1,
        Self::Get1kH2,
        Self::Get100kH2,
        Self::PassGrpc,
        Self::PassGrpcWeb,
        Self::Jwt,
        Self::Limited,
        Self::Idle,
    ];

    /// Those that can answer it.
    pub(super) const fn peers(self) -> &'static [Peer] {
        use Peer::{Edge, Envoy, Haproxy, Nginx, Varnish};
        match self {
            // The others cache no POST.
            Self::CachedGrpcWeb => &[Edge, Nginx],
            Self::Get1kH1 | Self::Get100kH1 => &[Edge, Nginx, Varnish, Haproxy],
            Self::Get1kH2 | Self::Get100kH2 | Self::Limited => &[Edge, Nginx, Haproxy],
            Self::PassGrpc | Self::PassGrpcWeb | Self::Idle => &[Edge, Nginx, Haproxy, Envoy],
            Self::Jwt => &[Edge, Envoy],
        }
    }

    /// Requests at once: connections, and on each.
    pub(super) const fn load(self) -> (usize, usize) {
        match self {
            Self::Get1kH1 | Self::Get100kH1 => (CONNECTIONS, 1),
            _ => (CONNECTIONS, STREAMS),
        }
    }

    pub(super) fn shape(self) -> Shape {
        let call = |path, message: Vec<u8>, answer: usize| Shape {
            path,
            plain: false,
            content_type: Some("application/grpc"),
            body: Some(framed(&message)),
            with_token: false,
            answer_bytes: framed(&[]).len() + answer,
            cached: false,
        };
        let get = |path, bytes, plain| Shape {
            path,
            plain,
            content_type: None,
            body: None,
            with_token: false,
            answer_bytes: bytes,
            cached: true,
        };
        let id = PRODUCT_ID.to_owned();
        let batch = BatchGetProductsRequest {
            ids: vec![id.clone()],
        }
        .encode_to_vec();
        match self {
            Self::CachedGrpcWeb => {
                let message = GetProductRequest { id }.encode_to_vec();
                Shape {
                    content_type: Some("application/grpc-web+proto"),
                    answer_bytes: framed(&product()).len() + trailers().len(),
                    cached: true,
                    ..call("/souk.catalog.v1.CatalogService/GetProduct", message, 0)
                }
            }
            Self::Get1kH1 => get("/files/1k", 1 << 10, true),
            Self::Get100kH1 => get("/files/100k", LARGE_BYTES, true),
            Self::Get1kH2 => get("/files/1k", 1 << 10, false),
            Self::Get100kH2 => get("/files/100k", LARGE_BYTES, false),
            Self::PassGrpc | Self::Idle => call(BATCH, batch, SMALL_BYTES),
            Self::PassGrpcWeb => Shape {
                content_type: Some("application/grpc-web+proto"),
                ..call(BATCH, batch, SMALL_BYTES + trailers().len())
            },
            Self::Jwt => Shape {
                with_token: true,
                ..call(
                    "/souk.order.v1.OrderService/GetOrder",
                    GetOrderRequest { id }.encode_to_vec(),
                    SMALL_BYTES,
                )
            },
            Self::Limited => {
                let message = LogInRequest {
                    email: "bench@souk.example".to_owned(),
                    ..LogInRequest::default()
                };
                call(
                    "/souk.identity.v1.IdentityService/LogIn",
                    message.encode_to_vec(),
                    SMALL_BYTES,
                )
            }
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CachedGrpcWeb => "cached gRPC-web POST, 1.5 KB, TLS, HTTP/2",
            Self::Get1kH1 => "cached GET, 1 KB, HTTP/1.1",
            Self::Get100kH1 => "cached GET, 100 KB, HTTP/1.1",
            Self::Get1kH2 => "cached GET, 1 KB, TLS, HTTP/2",
            Self::Get100kH2 => "cached GET, 100 KB, TLS, HTTP/2",
            Self::PassGrpc => "gRPC pass-through, TLS",
            Self::PassGrpcWeb => "gRPC-web pass-through, TLS",
            Self::Jwt => "gRPC pass-through, token checked",
            Self::Limited => "gRPC pass-through, rate-limited",
            Self::Idle => "memory of an idle TLS connection",
        })
    }
}
