//! Events as services publish them, and a cable to NATS that can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use proto::events::Event;
use svc_kit::testing::{nats_server::NatsServer, server_url};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

/// Where NATS is, and who we are there.
struct Place {
    user: String,
    password: String,
    /// Host and port.
    address: String,
}

fn place() -> Place {
    place_of(&server_url("SOUK_TEST_NATS_URL"))
}

fn place_of(url: &str) -> Place {
    let rest = url.trim_start_matches("nats://");
    let (credentials, address) = rest.rsplit_once('@').unwrap_or((":", rest));
    let (user, password) = credentials.split_once(':').unwrap();
    Place {
        user: user.to_owned(),
        password: password.to_owned(),
        address: address.to_owned(),
    }
}

/// Publishes an event; returns when NATS has it.
/// <https://docs.nats.io/reference/reference-protocols/nats-protocol>
pub(crate) async fn publish<E: Event>(event: &E) {
    publish_at(place(), event).await;
}

/// Publishes an event at a NATS of the test's own.
pub(crate) async fn publish_to<E: Event>(server: &NatsServer, event: &E) {
    publish_at(place_of(&server.url()), event).await;
}

async fn publish_at<E: Event>(place: Place, event: &E) {
    let payload = event.encode_to_vec();
    let mut stream = BufReader::new(TcpStream::connect(&place.address).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("INFO "), "{line}");
    let begin = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{}\",\"pass\":\"{}\"}}\r\nPUB {} {}\r\n",
        place.user,
        place.password,
        E::SUBJECT,
        payload.len()
    );
    stream.write_all(begin.as_bytes()).await.unwrap();
    stream.write_all(&payload).await.unwrap();
    stream.write_all(b"\r\nPING\r\n").await.unwrap();
    loop {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        match line.trim() {
            "PONG" => return,
            other => assert!(!other.starts_with("-ERR"), "{other}"),
        }
    }
}

/// A cable to NATS.
pub(crate) struct Cable {
    address: SocketAddr,
    whole: Arc<AtomicBool>,
    cuts: broadcast::Sender<()>,
}

impl Cable {
    pub(crate) async fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cable = Self {
            address: listener.local_addr().unwrap(),
            whole: Arc::new(AtomicBool::new(true)),
            cuts: broadcast::channel(1).0,
        };
        let (whole, cuts) = (Arc::clone(&cable.whole), cable.cuts.clone());
        tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                if !whole.load(SeqCst) {
                    continue; // drops the connection
                }
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let mut there = TcpStream::connect(place().address).await.unwrap();
                    tokio::select! {
                        _ = cut.recv() => {}
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                    }
                });
            }
        });
        cable
    }

    /// The address of NATS, through the cable.
    pub(crate) fn url(&self) -> String {
        let place = place();
        format!("nats://{}:{}@{}", place.user, place.password, self.address)
    }

    pub(crate) fn cut(&self) {
        self.whole.store(false, SeqCst);
        let _ = self.cuts.send(());
    }

    pub(crate) fn mend(&self) {
        self.whole.store(true, SeqCst);
    }
}
