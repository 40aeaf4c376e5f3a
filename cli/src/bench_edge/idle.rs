//! What a connection costs that does nothing: many are opened with TLS and
//! HTTP/2, as browsers leave them behind, and the server's memory is compared.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::proc::Usage;
use super::server::Server;

/// What a client of HTTP/2 begins with: its preface, no settings, and the
/// acknowledgement of the server's.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \0\0\0\x04\0\0\0\0\0\
    \0\0\0\x04\x01\0\0\0\0";
/// How many open at once.
const AT_ONCE: usize = 16;
/// How long one may take.
const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// Bytes of memory for each of so many connections.
pub(super) async fn measure(server: &Server, connections: usize) -> anyhow::Result<u64> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.ca())?)?;
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let (connector, port) = (&connector, server.https());
    let open = |_: usize| async move {
        tokio::time::timeout(OPEN_WITHIN, open(connector, port))
            .await
            .context("a connection did not open")?
    };

    // What is set up once is not a connection's.
    drop(open(0).await?);
    let before = Usage::of(server.pid())?.rss_bytes;
    let all: Vec<_> = stream::iter(0..connections)
        .map(open)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let after = Usage::of(server.pid())?.rss_bytes;
    drop(all);
    Ok(after.saturating_sub(before) / connections.max(1) as u64)
}

async fn open(connector: &TlsConnector, port: u16) -> anyhow::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = connector
        .connect(ServerName::try_from("localhost")?, tcp)
        .await?;
    stream.write_all(GREETING).await?;
    stream.flush().await?;
    // The server has set the connection up when its own greeting comes.
    let mut header = [0; 9];
    stream.read_exact(&mut header).await?;
    Ok(stream)
}
