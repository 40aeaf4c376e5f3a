//! HTTPS: HTTP/2 and HTTP/1.1 by ALPN, TLS 1.2 and 1.3.

use std::{net::SocketAddr, path::Path, sync::Arc};

use edge::{App, frame};
use proto::souk::catalog::v1::{GetProductRequest, catalog_service_client::CatalogServiceClient};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::support::{Harness, config, free_address, product_id, raw::Raw, services::Shop, until};

struct Secure {
    edge: Harness,
    https: SocketAddr,
    pem: String,
    der: CertificateDer<'static>,
    _files: TempDir,
}

fn certificate(files: &TempDir, name: &str) -> (String, CertificateDer<'static>) {
    certificate_of(files, name, "localhost")
}

fn certificate_of(files: &TempDir, name: &str, host: &str) -> (String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
    let write = |file: String, text: &str| std::fs::write(files.path().join(file), text).unwrap();
    write(format!("{name}.crt"), &made.cert.pem());
    write(format!("{name}.key"), &made.signing_key.serialize_pem());
    (made.cert.pem(), made.cert.der().clone())
}

fn flag(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

impl Secure {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[&str]) -> Self {
        let files = TempDir::new().unwrap();
        let (pem, der) = certificate(&files, "edge");
        let https = free_address();
        let listen = https.to_string();
        let chain = flag(&files.path().join("edge.crt"));
        let key = flag(&files.path().join("edge.key"));
        let flags = [
            "--https-listen",
            &listen,
            "--tls-cert",
            &chain,
            "--tls-key",
            &key,
        ];
        let flags = [&flags[..], more].concat();
        let edge = Harness::build_over(&flags, Shop::start().await).await;
        Self {
            edge,
            https,
            pem,
            der,
            _files: files,
        }
    }

    /// Greets with a version of TLS, for HTTP/1.1.
    async fn greet(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(self.https).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }

    /// What HTTP/1.1 answers over a version of TLS.
    async fn http1(&self, version: &'static SupportedProtocolVersion, request: &[u8]) -> String {
        let mut stream = self.greet(version).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // The edge may close without a farewell of TLS.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[tokio::test]
async fn native_grpc_passes_over_tls() {
    let secure = Secure::start().await;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&secure.pem))
        .domain_name("localhost");
    let channel = Channel::from_shared(format!("https://{}", secure.https))
        .unwrap()
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let id = product_id();
    let answer = CatalogServiceClient::new(channel)
        .get_product(GetProductRequest { id: id.clone() })
        .await
        .unwrap();
    let hsts = answer
        .metadata()
        .get("strict-transport-security")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(hsts.starts_with("max-age="));
    assert_eq!(answer.into_inner().id, id);
}

#[tokio::test]
async fn who_has_not_greeted_yet_has_a_place_too() {
    let flags = [
        "--max-connections-per-address",
        "3",
        "--head-timeout-ms",
        "60000",
    ];
    let secure = Secure::with(&flags).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Raw::connect(secure.https).await);
    }
    let closed = silent.iter_mut().map(|raw| Box::pin(raw.hear_out()));
    let (heard, ..) = futures::future::select_all(closed).await;
    assert_eq!(heard, "", "one has no place");
    drop(silent);
    until("there is a place again", async || {
        secure.greet(&TLS13).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn http_1_passes_over_tls_1_2_and_1_3() {
    let secure = Secure::start().await;
    for version in [&TLS12, &TLS13] {
        let get =
            b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let answer = secure.http1(version, get).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.to_lowercase().contains("strict-transport-security"));
    }
    let message = prost::Message::encode_to_vec(&GetProductRequest { id: product_id() });
    let body = frame::data(&message);
    let head = format!(
        "POST /souk.catalog.v1.CatalogService/GetProduct HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/grpc-web+proto\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = secure
        .http1(&TLS13, &[head.as_bytes(), &body].concat())
        .await;
    assert!(answer.contains("grpc-status:0"), "{answer}");
    // Without TLS there is nothing to be strict about.
    let plain = secure.edge.http("GET", "/.well-known/jwks.json").await;
    assert_eq!(plain.header("strict-transport-security"), "");
}

#[tokio::test]
async fn a_certificate_that_is_of_no_use_stops_the_start() {
    let files = TempDir::new().unwrap();
    certificate(&files, "one");
    certificate(&files, "other");
    let listen = free_address().to_string();
    let missing = flag(&files.path().join("missing.crt"));
    let one = flag(&files.path().join("one.crt"));
    let other = flag(&files.path().join("other.key"));
    for chain in [missing, one] {
        let flags = [
            "--https-listen",
            &listen,
            "--tls-cert",
            &chain,
            "--tls-key",
            &other,
        ];
        let config = config(free_address(), free_address(), "http://127.0.0.1:1", &flags);
        let error = App::build(config).await.unwrap_err();
        let line = format!("{error:#}");
        assert!(line.contains(&chain) && !line.contains('\n'), "{line}");
    }
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let files = TempDir::new().unwrap();
    let https = free_address();
    let mut roots = RootCertStore::empty();
    for host in ["a.example", "*.b.example"] {
        let name = host.trim_start_matches("*.");
        roots.add(certificate_of(&files, name, host).1).unwrap();
    }
    let at = |end: &str| {
        let path = |name: &str| flag(&files.path().join(format!("{name}.{end}")));
        [path("a.example"), path("b.example")].join(",")
    };
    let (chains, keys, listen) = (at("crt"), at("key"), https.to_string());
    let flags = [
        "--https-listen",
        &listen,
        "--tls-cert",
        &chains,
        "--tls-key",
        &keys,
    ];
    let _edge = Harness::build_over(&flags, Shop::start().await).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for (name, is_shown) in [
        ("a.example", true),
        ("A.EXAMPLE", true),
        ("shop.b.example", true),
        ("c.example", false),
    ] {
        let tcp = TcpStream::connect(https).await.unwrap();
        let greeted = connector.connect(ServerName::try_from(name).unwrap(), tcp);
        match greeted.await {
            Ok(_) => assert!(is_shown, "{name}"),
            // The first is for all others, who have to say whether it will do.
            Err(error) => assert!(!is_shown && error.to_string().contains("name"), "{error}"),
        }
    }
}

#[tokio::test]
async fn who_does_not_begin_to_speak_tls_or_http_is_let_go() {
    let secure = Secure::with(&["--head-timeout-ms", "300"]).await;
    // Nothing, and a part of a record's head.
    for beginning in [&b""[..], b"\x16\x03\x01"] {
        let mut raw = Raw::connect(secure.https).await;
        raw.say(beginning).await;
        assert_eq!(raw.hear_out().await, "");
    }
    // TLS, and then a head without an end.
    let answer = secure.http1(&TLS13, b"GET / HTTP/1.1\r\nhost: ").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer = secure.http1(&TLS13, b"").await;
    assert_eq!(answer, "");
}
