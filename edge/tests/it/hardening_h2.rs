//! HTTP/2 against its rules, and within them but too much of it.

use tokio::net::TcpStream;

use crate::support::{
    Harness, PATIENCE,
    h2::{
        ACK, CONTINUATION, DATA, END_HEADERS, GOAWAY, H2, HEADERS, PING, PREFACE, RST_STREAM,
        SETTINGS, WINDOW_UPDATE, block, call, frame, read, setting,
    },
    product_id,
    raw::Raw,
    read as read_product,
};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";
const GET_JWKS: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "shop"),
    (":path", "/.well-known/jwks.json"),
];
const INITIAL_WINDOW_SIZE: u16 = 4;
/// REFUSED_STREAM
const REFUSED: u32 = 7;

/// Others are still answered.
async fn still_answers(edge: &Harness) {
    read_product(&mut edge.catalog().await, &product_id()).await;
}

/// A message of native gRPC that asks for a product.
fn question(id: &str) -> Vec<u8> {
    let request = proto::souk::catalog::v1::GetProductRequest { id: id.to_owned() };
    edge::frame::data(&prost::Message::encode_to_vec(&request)).to_vec()
}

#[tokio::test]
async fn a_request_has_each_pseudo_header_once_and_before_all_others() {
    let edge = Harness::start().await;
    let mut h2 = H2::connect(edge.edge, &[]).await;
    h2.ask(1, &GET_JWKS).await;
    assert_eq!(h2.end_of(1).await, None, "the good one is answered");
    let [method, scheme, authority, path] = GET_JWKS;
    for (what, headers) in [
        ("no path", vec![method, scheme, authority]),
        ("no method", vec![scheme, authority, path]),
        (
            "an empty path",
            vec![method, scheme, authority, (":path", "")],
        ),
        ("two paths", vec![method, scheme, authority, path, path]),
        ("two methods", vec![method, method, scheme, authority, path]),
        (
            "an answer's",
            vec![method, scheme, authority, path, (":status", "200")],
        ),
        (
            "an unknown one",
            vec![method, scheme, authority, path, (":x", "y")],
        ),
        (
            "a late one",
            vec![method, scheme, authority, ("x", "y"), path],
        ),
        (
            "an upper case",
            vec![method, scheme, authority, path, ("X", "y")],
        ),
        (
            "connection",
            vec![method, scheme, authority, path, ("connection", "close")],
        ),
        (
            "keep-alive",
            vec![method, scheme, authority, path, ("keep-alive", "1")],
        ),
        (
            "transfer-encoding",
            vec![
                method,
                scheme,
                authority,
                path,
                ("transfer-encoding", "chunked"),
            ],
        ),
        (
            "upgrade",
            vec![method, scheme, authority, path, ("upgrade", "h2c")],
        ),
        ("te", vec![method, scheme, authority, path, ("te", "gzip")]),
        (
            "a line in it",
            vec![method, scheme, authority, path, ("x", "a\r\nb: c")],
        ),
        (
            "a NUL in it",
            vec![method, scheme, authority, path, ("x", "a\0")],
        ),
        (
            "a line in the path",
            vec![method, scheme, authority, (":path", "/\r\nx: y")],
        ),
        (
            "a space in the path",
            vec![method, scheme, authority, (":path", "/a b")],
        ),
        (
            "two lengths",
            vec![
                method,
                scheme,
                authority,
                path,
                ("content-length", "0"),
                ("content-length", "1"),
            ],
        ),
    ] {
        let mut h2 = H2::connect(edge.edge, &[]).await;
        h2.ask(1, &headers).await;
        assert!(h2.end_of(1).await.is_some(), "{what} passes");
    }
    for (what, headers) in [
        (
            "another host",
            vec![method, scheme, authority, path, ("host", "other")],
        ),
        ("no host at all", vec![method, scheme, path]),
        (
            "a user",
            vec![method, scheme, (":authority", "a@shop"), path],
        ),
    ] {
        let mut h2 = H2::connect(edge.edge, &[]).await;
        h2.ask(1, &headers).await;
        let answer = h2.until(|frame| frame.kind == HEADERS).await.unwrap();
        // ":status: 400" of the static table.
        assert_eq!(answer.payload[0], 0x8c, "{what}: {answer:?}");
    }
    still_answers(&edge).await;
}

#[tokio::test]
async fn headers_have_a_size_however_they_are_cut() {
    let edge = Harness::start().await;
    // A list that is too long, whole.
    let mut h2 = H2::connect(edge.edge, &[]).await;
    let long = "v".repeat(10_000);
    let mut headers = GET_JWKS.to_vec();
    headers.extend(vec![("x", long.as_str()); 20]);
    let block_of_all = block(&headers);
    let mut parts = block_of_all.chunks(16_000).peekable();
    let mut kind = HEADERS;
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        if !h2
            .say(&frame(kind, flags | u8::from(kind == HEADERS), 1, part))
            .await
        {
            break;
        }
        kind = CONTINUATION;
    }
    let end = h2
        .until(|frame| [HEADERS, RST_STREAM, GOAWAY].contains(&frame.kind))
        .await;
    if let Some(answer) = end.filter(|frame| frame.kind == HEADERS) {
        let text = String::from_utf8_lossy(&answer.payload).into_owned();
        assert!(!text.contains("200"), "{answer:?}");
    }
    // A list that never ends (CVE-2024-27316).
    let mut h2 = H2::connect(edge.edge, &[]).await;
    h2.say(&frame(HEADERS, 0, 1, &block(&GET_JWKS))).await;
    let mut sent = 0;
    while h2
        .say(&frame(CONTINUATION, 0, 1, &block(&[("x", "y")])))
        .await
    {
        sent += 1;
        assert!(sent < 100_000, "it goes on for ever");
    }
    still_answers(&edge).await;
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let edge = Harness::start().await;
    let mut h2 = H2::connect(edge.edge, &[]).await;
    let cancel = 8_u32.to_be_bytes();
    let headers = block(&call("/souk.catalog.v1.CatalogService/SearchProducts"));
    let mut stream = 1;
    let mut asked = 0;
    loop {
        let mut both = frame(HEADERS, END_HEADERS, stream, &headers);
        both.extend(frame(RST_STREAM, 0, stream, &cancel));
        if !h2.say(&both).await {
            break;
        }
        asked += 1;
        stream += 2;
        assert!(asked < 200_000, "it goes on for ever");
        tokio::task::yield_now().await;
    }
    println!(
        "closed after {asked} requests; {} reached a service",
        edge.shop.all_calls()
    );
    assert!(edge.shop.all_calls() < 1_000);
    still_answers(&edge).await;
}

#[tokio::test]
async fn floods_of_frames_without_a_request_hurt_nobody_else() {
    let edge = Harness::start().await;
    let floods: [(&str, Vec<u8>); 5] = [
        (
            "settings",
            frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 70_000)),
        ),
        ("pings", frame(PING, 0, 0, b"hello???")),
        ("acknowledgements", frame(SETTINGS, ACK, 0, &[])),
        ("unknown frames", frame(0x77, 0, 0, &[0; 64])),
        (
            "window updates",
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        ),
    ];
    for (what, one) in floods {
        let H2 { mut writer, reader } = H2::connect(edge.edge, &[]).await;
        let flood = one.repeat(100);
        // Nobody reads what comes back.
        let flooding = async {
            for _ in 0..1_000 {
                if tokio::io::AsyncWriteExt::write_all(&mut writer, &flood)
                    .await
                    .is_err()
                {
                    break;
                }
            }
        };
        tokio::select! {
            () = flooding => {}
            () = async { for _ in 0..20 { still_answers(&edge).await } } => {}
        }
        println!("{what}");
        drop(reader);
    }
}

#[tokio::test]
async fn frames_against_the_rules_end_the_connection() {
    let edge = Harness::start().await;
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let get = frame(HEADERS, END_HEADERS, 1, &block(&GET_JWKS));
    for (what, bytes) in [
        ("a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        (
            "a window without end",
            [
                frame(WINDOW_UPDATE, 0, 0, &most),
                frame(WINDOW_UPDATE, 0, 0, &most),
            ]
            .concat(),
        ),
        (
            "a setting out of bounds",
            frame(SETTINGS, 0, 0, &setting(INITIAL_WINDOW_SIZE, 0x8000_0000)),
        ),
        (
            "a frame size out of bounds",
            frame(SETTINGS, 0, 0, &setting(5, 1)),
        ),
        ("settings of half a one", frame(SETTINGS, 0, 0, &[0; 5])),
        ("a short ping", frame(PING, 0, 0, &[0; 7])),
        ("a ping of a stream", frame(PING, 0, 1, &[0; 8])),
        ("a large frame", frame(DATA, 0, 1, &vec![0; 40_000])),
        ("data of nowhere", frame(DATA, 0, 0, b"x")),
        ("data of no stream yet", frame(DATA, 0, 5, b"x")),
        ("a reset of no stream yet", frame(RST_STREAM, 0, 5, &[0; 4])),
        (
            "a rest of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &block(&GET_JWKS)),
        ),
        (
            "an even stream",
            frame(HEADERS, END_HEADERS, 2, &block(&GET_JWKS)),
        ),
        ("a push", frame(5, END_HEADERS, 1, &[0; 8])),
        (
            "something between",
            [frame(HEADERS, 0, 1, &[]), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
        ("no HPACK", frame(HEADERS, END_HEADERS, 1, &[0xff; 40])),
        (
            "more data than room",
            [get, frame(DATA, 0, 1, &[0; 16_000]).repeat(100)].concat(),
        ),
    ] {
        let mut h2 = H2::connect(edge.edge, &[]).await;
        h2.say(&bytes).await;
        let end = h2
            .until(|frame| [GOAWAY, RST_STREAM].contains(&frame.kind))
            .await;
        println!("{what}: {:?}", end.and_then(|end| end.code()));
    }
    still_answers(&edge).await;
}

#[tokio::test]
async fn streams_at_once_have_a_limit() {
    let edge = Harness::start().await;
    let mut h2 = H2::connect(edge.edge, &[]).await;
    let headers = block(&call(GET_PRODUCT));
    for n in 0..300 {
        // Their messages never come.
        let open = frame(HEADERS, END_HEADERS, 2 * n + 1, &headers);
        assert!(h2.say(&open).await);
    }
    let refused = h2
        .until(|frame| frame.code() == Some(REFUSED))
        .await
        .unwrap();
    assert!(refused.stream > 2 * 250, "{refused:?}");
}

#[tokio::test]
async fn who_does_not_read_is_not_waited_for() {
    let edge = Harness::with(&["--write-timeout-ms", "300"]).await;
    // No room for a single byte of an answer.
    let mut h2 = H2::connect(edge.edge, &setting(INITIAL_WINDOW_SIZE, 0)).await;
    let headers = block(&call(GET_PRODUCT));
    h2.say(&frame(HEADERS, END_HEADERS, 1, &headers)).await;
    let id = format!("large-{}", product_id());
    h2.say(&frame(DATA, 1, 1, &question(&id))).await;
    let end = h2.end_of(1).await;
    assert!(end.is_some(), "it is cut off");
}

#[tokio::test]
async fn a_beginning_comes_in_time() {
    let flags = ["--head-timeout-ms", "300", "--idle-timeout-ms", "600"];
    let edge = Harness::with(&flags).await;
    // A part of the preface.
    let mut raw = Raw::connect(edge.edge).await;
    raw.say(&PREFACE[..20]).await;
    raw.hear_out().await;
    // The preface and nothing more, and half a head and nothing more.
    for rest in [vec![], frame(SETTINGS, 0, 0, &[]), {
        let settings = frame(SETTINGS, 0, 0, &[]);
        let half = frame(HEADERS, 0, 1, &block(&GET_JWKS));
        [settings, half].concat()
    }] {
        let mut raw = Raw::connect(edge.edge).await;
        raw.say([PREFACE, &rest].concat()).await;
        raw.hear_out().await;
    }
    // Pings do not keep it.
    let H2 {
        mut writer,
        mut reader,
    } = H2::connect(edge.edge, &[]).await;
    let ping = frame(PING, 0, 0, &[0; 8]);
    let pinging = async {
        let mut every = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            every.tick().await;
            if tokio::io::AsyncWriteExt::write_all(&mut writer, &ping)
                .await
                .is_err()
            {
                break;
            }
        }
    };
    let closed = async { while read(&mut reader).await.is_some() {} };
    let either = async {
        tokio::select! { () = pinging => {}, () = closed => {} }
    };
    tokio::time::timeout(PATIENCE, either)
        .await
        .expect("it is closed");
}

#[tokio::test]
async fn a_message_comes_in_time() {
    let edge = Harness::start().await;
    let mut h2 = H2::connect(edge.edge, &[]).await;
    let mut headers = call("/souk.identity.v1.IdentityService/LogIn");
    headers.push(("grpc-timeout", "400m"));
    h2.say(&frame(HEADERS, END_HEADERS, 1, &block(&headers)))
        .await;
    h2.say(&frame(DATA, 0, 1, b"\0\0\0")).await;
    h2.end_of(1).await;
    assert_eq!(edge.shop.calls("log_in"), 0);
    // The connection goes on.
    h2.ask(3, &GET_JWKS).await;
    assert_eq!(h2.end_of(3).await, None);
}

#[tokio::test]
async fn connections_that_are_dropped_midway_leave_nothing_behind() {
    let edge = Harness::start().await;
    for n in 0..200_usize {
        let mut stream = TcpStream::connect(edge.edge).await.unwrap();
        let all = [
            PREFACE,
            &frame(SETTINGS, 0, 0, &[]),
            &frame(HEADERS, END_HEADERS, 1, &block(&call(GET_PRODUCT))),
            &frame(DATA, 0, 1, b"\0\0\0\0\x05"),
        ]
        .concat();
        let cut = n * all.len() / 200;
        tokio::io::AsyncWriteExt::write_all(&mut stream, &all[..cut])
            .await
            .unwrap();
    }
    still_answers(&edge).await;
}
