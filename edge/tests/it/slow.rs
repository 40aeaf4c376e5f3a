//! Callers that take their time: they are given some, and no more.

use std::time::Duration;

use svc_kit::clock::Clock;
use tokio::{io::AsyncReadExt as _, net::TcpSocket, time::Instant};

use crate::support::{
    Harness, PATIENCE, product_id,
    raw::{Raw, get_product, status},
    web_origin::{Page, WebOrigin},
};

const FLAGS: [&str; 8] = [
    "--head-timeout-ms",
    "300",
    "--idle-timeout-ms",
    "600",
    "--read-timeout-ms",
    "300",
    "--write-timeout-ms",
    "300",
];

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let edge = Harness::with(&FLAGS).await;
    let mut raw = Raw::connect(edge.edge).await;
    assert_eq!(raw.hear_out().await, "");
}

#[tokio::test]
async fn a_head_comes_in_time_however_many_bytes_come_in_between() {
    let edge = Harness::with(&FLAGS).await;
    for beginning in ["G", "GET / HTTP/1.1\r\nhost: x\r\nx: "] {
        let mut raw = Raw::connect(edge.edge).await;
        raw.say(beginning).await;
        let answer = raw.hear_out().await;
        assert_eq!(status(&answer), 408, "{answer}");
    }
    let mut raw = Raw::connect(edge.edge).await;
    let begun = Instant::now();
    raw.say("GET / HTTP/1.1\r\nhost: x\r\nx: ").await;
    let mut drops = tokio::time::interval(Duration::from_millis(20));
    while raw.say("y").await {
        drops.tick().await;
        assert!(begun.elapsed() < PATIENCE, "it drips for ever");
    }
}

#[tokio::test]
async fn a_kept_connection_without_a_request_is_closed_without_a_word() {
    let edge = Harness::with(&FLAGS).await;
    let mut raw = Raw::connect(edge.edge).await;
    for _ in 0..3 {
        raw.say(get_product(&product_id())).await;
        let answer = raw.hear_until("grpc-status:0").await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
    assert_eq!(raw.hear_out().await.trim(), "");
    // A second head has as much time as the first, and no more.
    let mut raw = Raw::connect(edge.edge).await;
    raw.say(get_product(&product_id())).await;
    raw.hear_until("grpc-status:0").await;
    raw.say("GET / HTT").await;
    let answer = raw.hear_out().await;
    assert_eq!(status(answer.trim()), 408, "{answer}");
}

#[tokio::test]
async fn a_body_comes_in_time() {
    let edge = Harness::with(&FLAGS).await;
    let hook = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: s\r\n\
        content-length: 100\r\n\r\nbegun";
    let question = get_product("x");
    for request in [hook.as_bytes(), &question[..question.len() - 1]] {
        let mut raw = Raw::connect(edge.edge).await;
        raw.say(request).await;
        // Refused or cut off, but not kept.
        let answer = raw.hear_out().await;
        assert!(!answer.contains("grpc-status:0"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_call_s_deadline() {
    let edge = Harness::start().await;
    let mut raw = Raw::connect(edge.edge).await;
    raw.say(
        "POST /souk.identity.v1.IdentityService/LogIn HTTP/1.1\r\nhost: x\r\n\
         content-type: application/grpc-web+proto\r\ngrpc-timeout: 400m\r\n\
         content-length: 1000\r\n\r\n",
    )
    .await;
    let begun = Instant::now();
    let mut drops = tokio::time::interval(Duration::from_millis(20));
    while raw.say("\0").await {
        drops.tick().await;
        assert!(begun.elapsed() < PATIENCE, "it drips for ever");
    }
    assert_eq!(edge.shop.calls("log_in"), 0);
}

#[tokio::test]
async fn who_reads_steadily_has_all_of_a_large_page() {
    const PAGE_BYTES: usize = 32_000_000;
    // Eight megabytes a second: the page takes four times what a write may.
    const PART_BYTES: usize = 80_000;
    const PART_EVERY: Duration = Duration::from_millis(10);
    let origin = WebOrigin::start(Clock::system()).await;
    let at = format!("/=http://{}", origin.address);
    let flags = ["--origin", &at, "--cache-bytes", "1000000000"];
    let edge = Harness::with(&[&flags[..], &["--write-timeout-ms", "1000"]].concat()).await;
    let page = Page::cached("x".repeat(PAGE_BYTES), "max-age=60");
    origin.put("/a", page);
    assert_eq!(edge.http("GET", "/a").await.body.len(), PAGE_BYTES);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(256 * 1024).unwrap();
    let mut raw = Raw(socket.connect(edge.edge).await.unwrap());
    let request = format!("GET /a HTTP/1.1\r\nhost: {}\r\n\r\n", edge.edge);
    raw.say(request).await;
    let heard = raw.hear_until("\r\n\r\n").await;
    let (head, begun) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("souk; hit"), "{head}");
    let mut left = PAGE_BYTES - begun.len();
    let mut parts = tokio::time::interval(PART_EVERY);
    let mut part = vec![0; PART_BYTES];
    while left > 0 {
        parts.tick().await;
        let count = left.min(PART_BYTES);
        let read = raw.0.read_exact(&mut part[..count]).await;
        assert!(read.is_ok(), "closed with {left} bytes to come");
        left -= count;
    }
}

#[tokio::test]
async fn one_address_has_no_more_connections_than_its_share() {
    let edge = Harness::with(&["--max-connections-per-address", "3"]).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect(edge.edge).await;
        raw.say(get_product(&product_id())).await;
        raw.hear_until("grpc-status:0").await;
        kept.push(raw);
    }
    let mut over = Raw::connect(edge.edge).await;
    over.say(get_product(&product_id())).await;
    assert_eq!(over.hear_out().await, "");
    kept.pop();
    crate::support::until("there is a place again", async || {
        let mut raw = Raw::connect(edge.edge).await;
        raw.say("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        status(&raw.hear_out().await) == 404
    })
    .await;
}
