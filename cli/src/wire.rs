//! The two ways in: native gRPC and gRPC-web, both over TLS through the edge.

use anyhow::Context as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tonic::{
    body::Body,
    codegen::{
        StdError,
        http::{Request, Response},
    },
    transport::{Certificate, ClientTlsConfig, Endpoint},
};
use tonic_web::GrpcWebClientLayer;
use tower::{ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};

/// A connection to the edge that every generated client can use.
pub type Wire = BoxCloneSyncService<Request<Body>, Response<Body>, StdError>;

/// How a person talks to the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// As SDKs do.
    Grpc,
    /// As browsers do.
    GrpcWeb,
}

/// Both.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::GrpcWeb, Protocol::Grpc];

/// Connects to the edge at `url`, trusting the authority of `ca_pem`.
///
/// # Errors
/// When the URL or the certificate is malformed.
pub fn connect(protocol: Protocol, url: &str, ca_pem: &str) -> anyhow::Result<Wire> {
    match protocol {
        Protocol::Grpc => grpc(url, ca_pem),
        Protocol::GrpcWeb => grpc_web(url, ca_pem),
    }
}

fn grpc(url: &str, ca_pem: &str) -> anyhow::Result<Wire> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem));
    let channel = Endpoint::from_shared(url.to_owned())?
        .tls_config(tls)?
        .connect_lazy();
    Ok(BoxCloneSyncService::new(channel.map_err(Into::into)))
}

fn grpc_web(url: &str, ca_pem: &str) -> anyhow::Result<Wire> {
    let mut roots = RootCertStore::empty();
    roots.add(
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).context("the authority's certificate")?,
    )?;
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let origin: http::Uri = url.parse()?;
    let web = ServiceBuilder::new()
        .map_request(move |request: Request<_>| at(&origin, request))
        .layer(GrpcWebClientLayer::new())
        .service(client);
    let web = web
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_err(Into::into);
    Ok(BoxCloneSyncService::new(web))
}

/// The generated clients leave the scheme and the host to the connection.
fn at<B>(origin: &http::Uri, mut request: Request<B>) -> Request<B> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = origin.scheme().cloned();
    parts.authority = origin.authority().cloned();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}
