//! Valid traffic, mangled: bytes changed, cut out, doubled, put in and mixed.
//! Whatever comes, nothing panics, every connection ends, memory stays bounded
//! and good requests are answered.

use std::{
    net::SocketAddr,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use edge::frame;
use proptest::{prelude::*, sample::Index, strategy::ValueTree as _, test_runner::TestRunner};
use prost::Message as _;
use proto::souk::catalog::v1::GetProductRequest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{
    Harness, h2, product_id,
    raw::{get_product, status},
    read,
    tokens::customer,
};

/// Batches of mangled traffic, for each kind.
const BATCHES: usize = 12;
/// Connections at once.
const BATCH: usize = 25;
/// Until then a connection has ended, or been answered.
const DEADLINE: Duration = Duration::from_secs(30);
/// By so much the process, with all tests that run in it, may grow.
const MAX_GROWTH_BYTES: usize = 256 << 20;

/// The edge ends by itself what is never finished.
const FLAGS: [&str; 8] = [
    "--head-timeout-ms",
    "1000",
    "--idle-timeout-ms",
    "2000",
    "--read-timeout-ms",
    "1000",
    "--write-timeout-ms",
    "1000",
];

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts panics from here on, but for those of tests.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_a_test = panic
                .location()
                .is_some_and(|location| location.file().contains("tests/"));
            if !of_a_test {
                PANICS.fetch_add(1, SeqCst);
            }
            before(panic);
        }));
    });
}

/// What the process holds in memory.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// What is done to bytes.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Double(Index, usize),
    Cut(Index),
    Swap(Index, Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Replace(at, byte) => bytes[at.index(length)] = *byte,
            Self::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + count).min(length));
            }
            Self::Double(at, count) => {
                let at = at.index(length);
                let part = bytes[at..(at + count).min(length)].to_vec();
                bytes.splice(at..at, part);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Swap(a, b) => bytes.swap(a.index(length), b.index(length)),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    // Bytes that mean something somewhere, and all others.
    let telling = prop::sample::select(b"\r\n\0 :;,=%\x7f\x80\xff0aA{\"".to_vec());
    let byte = || prop_oneof![telling.clone(), any::<u8>()];
    prop_oneof![
        4 => (at(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        2 => (at(), prop::collection::vec(byte(), 1..20)).prop_map(|(at, more)| Change::Insert(at, more)),
        2 => (at(), 1..20_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), 1..200_usize).prop_map(|(at, count)| Change::Double(at, count)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

/// Mangles one of these.
fn mangled(good: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec(change(), 1..6);
    (prop::sample::select(good), changes).prop_map(|(mut bytes, changes)| {
        for change in &changes {
            change.apply(&mut bytes);
        }
        bytes
    })
}

/// Says all of it, and then nothing more; hears the other end out.
async fn throw(edge: SocketAddr, bytes: Vec<u8>) {
    let mut stream = TcpStream::connect(edge).await.unwrap();
    let talk = async {
        let (mut reader, mut writer) = stream.split();
        let saying = async {
            let _ = writer.write_all(&bytes).await;
            let _ = writer.shutdown().await;
        };
        let hearing = async {
            let mut part = vec![0; 16 << 10];
            while let Ok(1..) = reader.read(&mut part).await {}
        };
        tokio::join!(saying, hearing)
    };
    tokio::time::timeout(DEADLINE, talk)
        .await
        .unwrap_or_else(|_| panic!("it hangs after {}", bytes.escape_ascii()));
}

/// Throws mangled traffic at an edge; it does no harm.
async fn endure(edge: &Harness, good: Vec<Vec<u8>>) {
    count_panics();
    let mut runner = TestRunner::deterministic();
    let strategy = mangled(good);
    let before = resident_bytes();
    let panics = PANICS.load(SeqCst);
    for batch in 0..BATCHES {
        let mut throwing = JoinSet::new();
        for _ in 0..BATCH {
            let bytes = strategy.new_tree(&mut runner).unwrap().current();
            throwing.spawn(throw(edge.edge, bytes));
        }
        while let Some(thrown) = throwing.join_next().await {
            thrown.unwrap();
        }
        let id = product_id();
        assert_eq!(read(&mut edge.catalog().await, &id).await.0.id, id);
        assert_eq!(PANICS.load(SeqCst), panics, "a panic in batch {batch}");
    }
    let growth = resident_bytes().saturating_sub(before);
    println!("{} connections; {growth} bytes more", BATCHES * BATCH);
    assert!(growth < MAX_GROWTH_BYTES, "{growth} bytes more");
}

#[tokio::test]
async fn mangled_http_1_does_no_harm() {
    let edge = Harness::with(&FLAGS).await;
    let hook = |rest: &str| {
        format!("POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: s\r\n{rest}")
            .into_bytes()
    };
    let good = vec![
        b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        b"HEAD http://x/.well-known/jwks.json HTTP/1.0\r\nhost: x\r\n\r\n".to_vec(),
        b"OPTIONS /souk.catalog.v1.CatalogService/GetProduct HTTP/1.1\r\nhost: x\r\n\
          origin: https://shop.example\r\naccess-control-request-method: POST\r\n\r\n"
            .to_vec(),
        hook("content-length: 11\r\n\r\nhello world"),
        hook(
            "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx: y\r\n\r\n",
        ),
        hook("expect: 100-continue\r\ncontent-length: 5\r\n\r\nhello"),
        [get_product("1"), get_product("2")].concat(),
    ];
    endure(&edge, good).await;
}

#[tokio::test]
async fn mangled_http_2_does_no_harm() {
    let edge = Harness::with(&FLAGS).await;
    let begin = [h2::PREFACE, &h2::frame(h2::SETTINGS, 0, 0, &[])].concat();
    let whole = h2::END_HEADERS | h2::END_STREAM;
    let call = h2::block(&h2::call("/souk.catalog.v1.CatalogService/GetProduct"));
    let message = frame::data(&GetProductRequest { id: "1".to_owned() }.encode_to_vec());
    let get = h2::block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "shop"),
        (":path", "/.well-known/jwks.json"),
        ("accept", "application/json"),
    ]);
    let good = vec![
        [&begin[..], &h2::frame(h2::HEADERS, whole, 1, &get)].concat(),
        [
            &begin[..],
            &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &call),
            &h2::frame(h2::DATA, h2::END_STREAM, 1, &message),
            &h2::frame(h2::PING, 0, 0, &[7; 8]),
            &h2::frame(h2::HEADERS, h2::END_HEADERS, 3, &call),
            &h2::frame(h2::RST_STREAM, 0, 3, &8_u32.to_be_bytes()),
        ]
        .concat(),
        [
            &begin[..],
            &h2::frame(h2::SETTINGS, 0, 0, &h2::setting(4, 1000)),
            &h2::frame(h2::WINDOW_UPDATE, 0, 0, &1000_u32.to_be_bytes()),
            &h2::frame(h2::HEADERS, 0, 1, &get[..20]),
            &h2::frame(h2::CONTINUATION, h2::END_HEADERS, 1, &get[20..]),
            &h2::frame(h2::GOAWAY, 0, 0, &[0; 8]),
        ]
        .concat(),
    ];
    endure(&edge, good).await;
}

/// A request whose body is mangled and whose head is not.
fn posts(edge: &Harness, content_type: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n\
         authorization: Bearer {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        customer(&edge.clock),
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn mangled_messages_of_grpc_web_do_no_harm_and_each_is_answered() {
    count_panics();
    let edge = Harness::with(&FLAGS).await;
    let message = GetProductRequest { id: product_id() }.encode_to_vec();
    let binary = frame::data(&message).to_vec();
    let two = [&binary[..], &binary].concat();
    let text = frame::encode_text(&binary).to_vec();
    let padded = [
        frame::encode_text(&binary[..4]),
        frame::encode_text(&binary[4..]),
    ]
    .concat();
    let mut runner = TestRunner::deterministic();
    let panics = PANICS.load(SeqCst);
    for (kind, good) in [
        ("application/grpc-web+proto", vec![binary.clone(), two]),
        ("application/grpc-web-text+proto", vec![text, padded]),
    ] {
        let strategy = mangled(good);
        for path in [
            "/souk.catalog.v1.CatalogService/GetProduct",
            "/souk.catalog.v1.CatalogService/BatchGetProducts",
            "/souk.order.v1.OrderService/GetCart",
        ] {
            let mut throwing = JoinSet::new();
            for _ in 0..60 {
                let body = strategy.new_tree(&mut runner).unwrap().current();
                let request = posts(&edge, kind, path, &body);
                let address = edge.edge;
                throwing.spawn(async move {
                    let answer = crate::support::raw::say_all(address, &request).await;
                    assert_eq!(status(&answer), 200, "{body:?}: {answer}");
                    // In text, the service's own trailers are base64.
                    let told = answer.contains("grpc-status") || kind.contains("text");
                    assert!(told, "{body:?}: {answer}");
                });
            }
            while let Some(thrown) = throwing.join_next().await {
                thrown.unwrap();
            }
        }
    }
    assert_eq!(PANICS.load(SeqCst), panics);
    let id = product_id();
    assert_eq!(read(&mut edge.catalog().await, &id).await.0.id, id);
}
