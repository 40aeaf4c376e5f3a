//! About 500 requests a second, over kept and fresh connections, HTTP/1.1 and
//! HTTP/2. Callers do as the standards say: they heed `connection: close` and
//! GOAWAY, and go to the next edge when one takes no connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, task::JoinSet, time::MissedTickBehavior};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::process::Edge;
use crate::support::{PATIENCE, until};

/// Time between two requests of one kind; there are four.
const PACE: Duration = Duration::from_millis(8);
/// Failures that are told.
const TOLD: usize = 10;
const PATH: &str = "/.well-known/jwks.json";

/// How requests go out.
#[derive(Debug, Clone, Copy)]
enum Kind {
    KeptHttp1,
    FreshHttp1,
    KeptHttp2,
    FreshTls,
}

const KINDS: [Kind; 4] = [
    Kind::KeptHttp1,
    Kind::FreshHttp1,
    Kind::KeptHttp2,
    Kind::FreshTls,
];

#[derive(Default)]
struct Tally {
    answered: [AtomicU64; KINDS.len()],
    failures: Mutex<Vec<String>>,
}

pub(crate) struct Load {
    tally: Arc<Tally>,
    stop: CancellationToken,
    callers: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(edges: &[&Edge]) -> Self {
        let addresses: Vec<_> = edges.iter().map(|edge| (edge.http, edge.https)).collect();
        let (tally, stop) = (Arc::new(Tally::default()), CancellationToken::new());
        let mut callers = JoinSet::new();
        for (index, kind) in KINDS.into_iter().enumerate() {
            let caller = Arc::new(Caller::new(kind, &addresses));
            let (tally, stop) = (Arc::clone(&tally), stop.clone());
            callers.spawn(async move {
                let mut pace = tokio::time::interval(PACE);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut asked = JoinSet::new();
                loop {
                    tokio::select! {
                        _ = pace.tick() => {}
                        () = stop.cancelled() => break,
                    }
                    let (caller, tally) = (Arc::clone(&caller), Arc::clone(&tally));
                    asked.spawn(async move {
                        let asked = tokio::time::timeout(PATIENCE, caller.ask()).await;
                        match asked.unwrap_or_else(|_| Err("no answer".to_owned())) {
                            Ok(()) => drop(tally.answered[index].fetch_add(1, SeqCst)),
                            Err(failure) => {
                                let told = format!("{:?}: {failure}", caller.kind);
                                tally.failures.lock().unwrap().push(told);
                            }
                        }
                    });
                }
                asked.join_all().await;
            });
        }
        Self {
            tally,
            stop,
            callers,
        }
    }

    /// Waits until so many more of each kind were answered.
    pub(crate) async fn more(&self, count: u64) {
        let goal = self.counts().map(|before| before + count);
        until("requests are answered", async || {
            self.counts()
                .iter()
                .zip(goal)
                .all(|(now, goal)| *now >= goal)
        })
        .await;
    }

    /// Stops and looks whether anything failed.
    pub(crate) async fn stop_without_a_failure(self, what: &str) {
        self.stop.cancel();
        self.callers.join_all().await;
        let counts = self
            .tally
            .answered
            .each_ref()
            .map(|count| count.load(SeqCst));
        let failures = self.tally.failures.lock().unwrap();
        println!(
            "{what}: {} requests answered ({KINDS:?}: {counts:?}), {} failed",
            counts.iter().sum::<u64>(),
            failures.len()
        );
        let told = &failures[..failures.len().min(TOLD)];
        assert!(failures.is_empty(), "{} failed: {told:#?}", failures.len());
    }

    fn counts(&self) -> [u64; KINDS.len()] {
        self.tally
            .answered
            .each_ref()
            .map(|count| count.load(SeqCst))
    }
}

type Http1 = Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;
type Https = Client<
    hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>,
    Full<Bytes>,
>;

struct Caller {
    kind: Kind,
    addresses: Vec<(SocketAddr, SocketAddr)>,
    http1: Http1,
    http2: Https,
}

impl Caller {
    fn new(kind: Kind, addresses: &[(SocketAddr, SocketAddr)]) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls())
            .https_only()
            .enable_http2()
            .build();
        Self {
            kind,
            addresses: addresses.to_vec(),
            http1: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build_http(),
            http2: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .http2_only(true)
                .build(https),
        }
    }

    /// Asks the first edge that takes a connection.
    async fn ask(&self) -> Result<(), String> {
        for (http, https) in &self.addresses {
            let get = |address: &SocketAddr, scheme: &str| {
                Request::get(format!("{scheme}://{address}{PATH}"))
                    .body(Full::default())
                    .unwrap()
            };
            let outcome = match self.kind {
                Kind::KeptHttp1 => self.http1.request(get(http, "http")).await,
                Kind::KeptHttp2 => self.http2.request(get(https, "https")).await,
                Kind::FreshHttp1 => {
                    Self::new(self.kind, &[])
                        .http1
                        .request(get(http, "http"))
                        .await
                }
                Kind::FreshTls => {
                    Self::new(self.kind, &[])
                        .http2
                        .request(get(https, "https"))
                        .await
                }
            };
            let answer = match outcome {
                Ok(answer) => answer,
                Err(error) if refused(&error) => continue,
                Err(error) => return Err(chain(&error)),
            };
            if answer.status() != 200 {
                return Err(answer.status().to_string());
            }
            let body = answer.into_body().collect().await;
            return body.map(drop).map_err(|error| chain(&error));
        }
        Err("nobody takes a connection".to_owned())
    }
}

/// Whether nobody listens: a balancer asks the next one.
fn refused(error: &hyper_util::client::legacy::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        source = error.source();
    }
    false
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        told.push_str(": ");
        told.push_str(&error.to_string());
        source = error.source();
    }
    told
}

/// The certificate that an edge shows.
pub(crate) async fn shown(https: SocketAddr) -> CertificateDer<'static> {
    let tcp = TcpStream::connect(https).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(tls()))
        .connect(name, tcp)
        .await
        .unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

fn tls() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth()
}

/// Which certificate it is does not matter to the load; [`shown`] looks.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
