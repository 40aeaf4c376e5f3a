//! The edge before an origin of plain HTTP: one example for each rule.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Parser as _;
use edge::Config;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use proto::souk::event::v1::ProductChanged;
use svc_kit::clock::Clock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{
    Answer, Harness, nats, product_id, send,
    services::Shop,
    until,
    web_origin::{Page, WebOrigin},
};

/// An edge before an origin.
struct Site {
    edge: Harness,
    origin: Arc<WebOrigin>,
}

impl Site {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(flags: &[&str]) -> Self {
        let clock = Clock::manual(Clock::system().now());
        let origin = WebOrigin::start(clock.clone()).await;
        let at = format!("/=http://{}", origin.address);
        let flags = [&["--origin", &at], flags].concat();
        let edge = Harness::build(&flags, clock, Shop::start().await).await;
        Self { edge, origin }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.edge.edge));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(Full::default()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    /// Gets a page; its body and what the cache said.
    async fn read(&self, path: &str, headers: &[(&str, &str)]) -> (String, String) {
        let answer = self.ask("GET", path, headers).await;
        let status = answer.header("cache-status").to_owned();
        (String::from_utf8(answer.body.to_vec()).unwrap(), status)
    }

    fn wait(&self, seconds: u64) {
        self.edge.clock.advance(Duration::from_secs(seconds));
    }

    fn gets(&self, path: &str) -> usize {
        self.origin.calls("GET", path)
    }
}

const STORED: &str = "souk; fwd=uri-miss; stored";

#[tokio::test]
async fn a_page_is_fetched_once_and_ages() {
    let site = Site::start().await;
    site.origin.put("/a?b=1", Page::cached("one", "max-age=60"));
    assert_eq!(
        site.read("/a?b=1", &[]).await,
        ("one".into(), STORED.into())
    );
    site.wait(10);
    let hit = site.get("/a?b=1").await;
    assert_eq!((hit.status, &hit.body[..]), (200, &b"one"[..]));
    assert!(
        hit.header("cache-status").starts_with("souk; hit; ttl=4"),
        "{hit:?}"
    );
    let age: u64 = hit.header("age").parse().unwrap();
    assert!((10..13).contains(&age), "{age}");
    assert_eq!(hit.header("content-length"), "3");
    assert_eq!(hit.header("x-content-type-options"), "nosniff");
    assert_eq!(site.gets("/a?b=1"), 1);
    site.wait(60);
    site.origin.put("/a?b=1", Page::cached("two", "max-age=60"));
    let (body, status) = site.read("/a?b=1", &[]).await;
    assert_eq!((&*body, &*status), ("two", "souk; fwd=stale; stored"));
}

#[tokio::test]
async fn what_may_not_be_kept_is_not() {
    let site = Site::start().await;
    let page = || Page::new("x");
    for (path, page, headers) in [
        (
            "/no-store",
            Page::cached("x", "max-age=60, no-store"),
            &[][..],
        ),
        ("/private", Page::cached("x", "max-age=60, private"), &[]),
        ("/silent", page(), &[]),
        (
            "/cookie",
            Page::cached("x", "max-age=60").with("set-cookie", "a=b"),
            &[],
        ),
        (
            "/vary",
            Page::cached("x", "max-age=60").with("vary", "*"),
            &[],
        ),
        ("/status", page().status(302).with("location", "/"), &[]),
        ("/error", page().status(500), &[]),
        ("/expired", page().with("expires", "0"), &[]),
        (
            "/authorized",
            Page::cached("x", "max-age=60"),
            &[("authorization", "Basic x")],
        ),
        (
            "/request",
            Page::cached("x", "max-age=60"),
            &[("cache-control", "no-store")],
        ),
        (
            "/targeted",
            Page::cached("x", "max-age=60").with("cdn-cache-control", "no-store"),
            &[],
        ),
    ] {
        site.origin.put(path, page);
        for calls in 1..=2 {
            let answer = site.ask("GET", path, headers).await;
            let status = answer.header("cache-status");
            assert!(status.starts_with("souk; fwd=uri-miss"), "{path}: {status}");
            assert!(!status.contains("stored"), "{path}: {status}");
            assert_eq!(
                (&answer.body[..], site.gets(path)),
                (&b"x"[..], calls),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn what_may_be_kept_is() {
    let site = Site::start().await;
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (path, page, headers) in [
        (
            "/shared",
            Page::cached("x", "max-age=0, s-maxage=60"),
            &[][..],
        ),
        ("/missing", Page::cached("x", "max-age=60").status(404), &[]),
        ("/moved", Page::cached("x", "max-age=60").status(302), &[]),
        (
            "/heuristic",
            Page::new("x").with("last-modified", modified),
            &[],
        ),
        (
            "/cookie",
            Page::cached("x", "max-age=60, public").with("set-cookie", "a=b"),
            &[],
        ),
        (
            "/public",
            Page::cached("x", "max-age=60, public"),
            &[("authorization", "Basic x")],
        ),
        (
            "/targeted",
            Page::cached("x", "no-store").with("cdn-cache-control", "max-age=60"),
            &[],
        ),
        ("/empty", Page::cached("", "max-age=60").status(204), &[]),
        (
            "/chunked",
            Page::cached("chunk", "max-age=60").chunked(),
            &[],
        ),
    ] {
        site.origin.put(path, page);
        let first = site.ask("GET", path, headers).await;
        until("it is kept", async || {
            let next = site.ask("GET", path, headers).await;
            next.header("cache-status").starts_with("souk; hit")
        })
        .await;
        let next = site.ask("GET", path, headers).await;
        assert_eq!(
            (next.status, &next.body),
            (first.status, &first.body),
            "{path}"
        );
        assert_eq!(first.header("cache-status"), STORED, "{path}");
        assert_eq!(site.gets(path), 1, "{path}");
    }
}

#[tokio::test]
async fn an_answer_is_for_the_requests_that_it_says() {
    let site = Site::start().await;
    let page = |body| Page::cached(body, "max-age=60").with("vary", "Accept-Language");
    site.origin.put("/a", page("de"));
    assert_eq!(
        site.read("/a", &[("accept-language", "de, en")]).await.0,
        "de"
    );
    site.origin.put("/a", page("en"));
    let (body, status) = site.read("/a", &[("accept-language", "en")]).await;
    assert_eq!((&*body, &*status), ("en", "souk; fwd=vary-miss; stored"));
    for (language, body) in [("DE,en", "de"), ("en", "en")] {
        let (read, status) = site.read("/a", &[("accept-language", language)]).await;
        assert_eq!(read, body);
        assert!(status.starts_with("souk; hit"), "{status}");
    }
    assert_eq!(site.gets("/a"), 2);
}

#[tokio::test]
async fn a_caller_who_has_the_page_is_told_so() {
    let site = Site::start().await;
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let page = Page::cached("x", "max-age=60")
        .with("etag", "\"v1\"")
        .with("last-modified", modified);
    site.origin.put("/a", page);
    for condition in [
        ("if-none-match", "W/\"v1\""),
        ("if-modified-since", modified),
    ] {
        let answer = site.ask("GET", "/a", &[condition]).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (304, 0),
            "{condition:?}"
        );
        assert_eq!(answer.header("etag"), "\"v1\"");
        assert_eq!(answer.header("cache-control"), "max-age=60");
    }
    assert_eq!(
        site.origin.saw("if-none-match"),
        None,
        "the whole is fetched for all"
    );
    let answer = site.ask("GET", "/a", &[("if-none-match", "\"v2\"")]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 1));
    assert_eq!(site.gets("/a"), 1);
}

#[tokio::test]
async fn a_stale_page_that_is_still_good_is_not_sent_again() {
    let site = Site::start().await;
    let page = |control: &str| Page::cached("x", control).with("etag", "\"v1\"");
    site.origin
        .put("/a", page("max-age=60").with("x-version", "1"));
    site.get("/a").await;
    site.wait(61);
    site.origin
        .put("/a", page("max-age=30").with("x-version", "2"));
    let answer = site.get("/a").await;
    let status = answer.header("cache-status");
    assert_eq!(status, "souk; fwd=stale; fwd-status=304; stored");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"x"[..]));
    assert_eq!(answer.header("x-version"), "2", "freshened by the 304");
    assert_eq!(site.origin.saw("if-none-match").unwrap(), "\"v1\"");
    let answer = site.get("/a").await;
    assert!(answer.header("cache-status").starts_with("souk; hit"));
    assert_eq!(answer.header("cache-control"), "max-age=30");
    site.wait(31);
    site.origin
        .put("/a", Page::cached("y", "max-age=60").with("etag", "\"v2\""));
    assert_eq!(site.read("/a", &[]).await.0, "y");
}

#[tokio::test]
async fn what_must_be_asked_about_is_asked_about_each_time() {
    let site = Site::start().await;
    site.origin
        .put("/a", Page::cached("x", "no-cache").with("etag", "\"v1\""));
    site.get("/a").await;
    for calls in 2..=3 {
        let (body, status) = site.read("/a", &[]).await;
        assert_eq!((&*body, site.gets("/a")), ("x", calls));
        assert_eq!(status, "souk; fwd=stale; fwd-status=304; stored");
    }
}

#[tokio::test]
async fn a_part_of_a_whole_is_served() {
    let site = Site::start().await;
    let page = Page::cached("0123456789", "max-age=60").with("etag", "\"v1\"");
    site.origin.put("/a", page);
    // Once while it arrives, once from the store.
    for _ in 0..2 {
        let part = site.ask("GET", "/a", &[("range", "bytes=2-4")]).await;
        assert_eq!((part.status, &part.body[..]), (206, &b"234"[..]));
        assert_eq!(part.header("content-range"), "bytes 2-4/10");
        assert_eq!(part.header("content-length"), "3");
        assert_eq!(part.header("etag"), "\"v1\"");
    }
    let beyond = site.ask("GET", "/a", &[("range", "bytes=10-")]).await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, "bytes */10")
    );
    let several = site.ask("GET", "/a", &[("range", "bytes=0-1,4-5")]).await;
    assert_eq!((several.status, several.body.len()), (200, 10));
    let same = [("range", "bytes=-1"), ("if-range", "\"v1\"")];
    assert_eq!(site.ask("GET", "/a", &same).await.status, 206);
    let other = [("range", "bytes=-1"), ("if-range", "\"v2\"")];
    assert_eq!(site.ask("GET", "/a", &other).await.status, 200);
    assert_eq!(site.gets("/a"), 1);
}

#[tokio::test]
async fn a_head_is_answered_from_a_stored_get() {
    let site = Site::start().await;
    site.origin
        .put("/a", Page::cached("0123456789", "max-age=60"));
    let passed = site.ask("HEAD", "/a", &[]).await;
    assert_eq!((passed.status, site.origin.calls("HEAD", "/a")), (200, 1));
    site.get("/a").await;
    let head = site.ask("HEAD", "/a", &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "10");
    assert!(head.header("cache-status").starts_with("souk; hit"));
    assert_eq!(site.origin.calls("HEAD", "/a"), 1);
}

#[tokio::test]
async fn callers_may_ask_for_more_or_for_less_than_what_is_kept() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    let control = |value| [("cache-control", value)];
    let unkept = site.ask("GET", "/a", &control("only-if-cached")).await;
    assert_eq!((unkept.status, site.gets("/a")), (504, 0));
    site.get("/a").await;
    site.wait(20);
    for (value, calls) in [
        ("only-if-cached", 1),
        ("max-age=30", 1),
        ("min-fresh=30", 1),
        ("no-store", 1),
        ("max-age=0", 2),
    ] {
        let answer = site.ask("GET", "/a", &control(value)).await;
        assert_eq!((answer.status, site.gets("/a")), (200, calls), "{value}");
    }
    let (_, status) = site.read("/a", &control("no-cache")).await;
    assert_eq!(
        (&*status, site.gets("/a")),
        ("souk; fwd=request; stored", 3)
    );
    site.wait(70);
    let (_, status) = site.read("/a", &control("max-stale=30")).await;
    assert!(status.starts_with("souk; hit; ttl=-"), "{status}");
}

#[tokio::test]
async fn a_stale_page_is_served_while_a_fresh_one_is_fetched() {
    let site = Site::start().await;
    let control = "max-age=10, stale-while-revalidate=30";
    site.origin.put("/a", Page::cached("old", control));
    site.get("/a").await;
    site.wait(11);
    site.origin.put("/a", Page::cached("new", control));
    let (body, status) = site.read("/a", &[]).await;
    assert_eq!(body, "old");
    assert!(status.starts_with("souk; hit; ttl=-"), "{status}");
    until("the new one is there", async || {
        site.read("/a", &[]).await.0 == "new"
    })
    .await;
    assert_eq!(site.gets("/a"), 2);
    // Not where the origin forbids it.
    let strict = "max-age=10, stale-while-revalidate=30, must-revalidate";
    site.origin.put("/b", Page::cached("old", strict));
    site.get("/b").await;
    site.wait(11);
    site.origin.put("/b", Page::cached("new", strict));
    assert_eq!(site.read("/b", &[]).await.0, "new");
}

#[tokio::test]
async fn an_origin_that_fails_is_covered_for_as_long_as_it_allows() {
    let site = Site::start().await;
    let control = "max-age=10, stale-if-error=100";
    site.origin.put("/a", Page::cached("kept", control));
    site.origin.put(
        "/b",
        Page::cached("kept", &format!("{control}, must-revalidate")),
    );
    site.get("/a").await;
    site.get("/b").await;
    site.wait(50);
    site.origin.put("/a", Page::new("broken").status(503));
    let (body, status) = site.read("/a", &[]).await;
    assert_eq!(body, "kept");
    assert_eq!(
        status,
        "souk; fwd=stale; fwd-status=503; detail=stale-if-error"
    );
    site.origin.crash();
    until("nobody is there", async || {
        TcpStream::connect(site.origin.address).await.is_err()
    })
    .await;
    let (body, status) = site.read("/a", &[]).await;
    assert_eq!(
        (&*body, &*status),
        ("kept", "souk; fwd=stale; detail=stale-if-error")
    );
    site.wait(70);
    for path in ["/a", "/b"] {
        let answer = site.get(path).await;
        assert!([502, 503].contains(&answer.status), "{path} {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_cost_one_call() {
    let site = Arc::new(Site::start().await);
    let body = "x".repeat(10_000);
    site.origin
        .put("/a", Page::cached(body.clone(), "max-age=60").gated());
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let site = Arc::clone(&site);
        callers.spawn(async move { site.read("/a", &[]).await });
    }
    until("the origin is asked", async || site.gets("/a") > 0).await;
    site.origin.gate.add_permits(1);
    let answers = callers.join_all().await;
    assert!(answers.iter().all(|(read, _)| *read == body));
    assert_eq!(site.gets("/a"), 1);
    let first = answers
        .iter()
        .filter(|(_, status)| status == STORED)
        .count();
    assert_eq!(first, 1);
}

#[tokio::test]
async fn those_who_cannot_share_an_answer_get_their_own() {
    let site = Arc::new(Site::start().await);
    site.origin.put(
        "/a",
        Page::cached("", "private").gated().with("x-page", "a"),
    );
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let site = Arc::clone(&site);
        callers.spawn(async move { site.get("/a").await.header("x-page").to_owned() });
    }
    until("the origin is asked", async || site.gets("/a") > 0).await;
    site.origin.gate.add_permits(10);
    assert_eq!(callers.join_all().await, vec!["a"; 10]);
    assert_eq!(site.gets("/a"), 10);
}

#[tokio::test]
async fn the_first_caller_has_the_first_byte_before_the_last_has_come() {
    let site = Site::start().await;
    let large = "x".repeat(600_000);
    for (path, chunked) in [("/a", false), ("/b", true)] {
        let mut page = Page::cached(large.clone(), "max-age=60").gated();
        if chunked {
            page = page.chunked();
        }
        site.origin.put(path, page);
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let uri = format!("http://{}{path}", site.edge.edge).parse().unwrap();
        let mut body = client.get(uri).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(!first.is_empty());
        site.origin.gate.add_permits(1);
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(first.len() + rest.len(), large.len());
    }
}

#[tokio::test]
async fn what_is_too_large_streams_through_and_is_not_kept() {
    // One entry may take a sixteenth.
    let site = Site::with(&["--cache-bytes", "1600000"]).await;
    let large = "x".repeat(300_000);
    for (path, page) in [
        ("/told", Page::cached(large.clone(), "max-age=60")),
        (
            "/untold",
            Page::cached(large.clone(), "max-age=60").chunked(),
        ),
    ] {
        site.origin.put(path, page);
        for calls in 1..=2 {
            let answer = site.get(path).await;
            assert_eq!(
                (answer.body.len(), site.gets(path)),
                (large.len(), calls),
                "{path}"
            );
        }
        let part = site.ask("GET", path, &[("range", "bytes=0-1")]).await;
        assert_eq!(part.status, 200, "the origin has no parts");
    }
    let small = "x".repeat(50_000);
    site.origin.put("/small", Page::cached(small, "max-age=60"));
    for _ in 0..2 {
        assert_eq!(site.get("/small").await.body.len(), 50_000);
    }
    assert_eq!(site.gets("/small"), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_looks_so_and_is_not_kept() {
    let site = Site::start().await;
    for chunked in [false, true] {
        let mut page = Page::cached("0123456789", "max-age=60").torn();
        if chunked {
            page = page.chunked();
        }
        site.origin.put("/a", page);
        let mut stream = TcpStream::connect(site.edge.edge).await.unwrap();
        stream
            .write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.contains("5678"), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    }
    site.origin.put("/a", Page::cached("whole", "max-age=60"));
    let answer = site.ask("GET", "/a", &[("host", "x")]).await;
    assert_eq!(answer.body, "whole");
}

#[tokio::test]
async fn a_change_makes_what_is_kept_void() {
    let site = Site::start().await;
    let moved = |path: &str| Page::new("").status(201).with("location", path);
    for path in ["/a", "/b", "/c"] {
        site.origin.put(path, Page::cached("old", "max-age=60"));
        site.get(path).await;
        site.origin.put(path, Page::cached("new", "max-age=60"));
    }
    site.origin.put("/change", moved("/b"));
    let answer = site.ask("POST", "/change", &[]).await;
    assert_eq!(
        (answer.status, answer.header("cache-status")),
        (201, "souk; fwd=bypass")
    );
    site.origin.put("/a", Page::new("refused").status(403));
    site.ask("PUT", "/a", &[]).await;
    assert_eq!(site.read("/a", &[]).await.0, "old", "nothing changed");
    site.origin.put("/a", Page::cached("new", "max-age=60"));
    assert_eq!(site.read("/b", &[]).await.0, "new", "named by the answer");
    assert_eq!(site.read("/c", &[]).await.0, "old");
    site.ask("DELETE", "/a", &[]).await;
    assert_eq!(site.read("/a", &[]).await.0, "new");
}

#[tokio::test]
async fn a_purge_takes_all_pages_of_a_tag_and_a_page_by_its_url() {
    let site = Site::start().await;
    let (red, blue) = (product_id(), product_id());
    let both = format!("{red} {blue}");
    let page = |body| Page::cached(body, "max-age=60");
    site.origin
        .put("/a", page("old").with("cache-tag", &format!("x, {red}")));
    site.origin
        .put("/b", page("old").with("surrogate-key", &both));
    site.origin.put("/c", page("old"));
    for path in ["/a", "/b", "/c"] {
        let answer = site.get(path).await;
        assert_eq!(
            answer.header("cache-tag"),
            "",
            "tags are between the origin and us"
        );
        assert_eq!(answer.header("surrogate-key"), "");
        site.origin.put(path, page("new"));
    }
    let purge = async |tag: String| {
        let tags = vec![tag];
        nats::publish(&ProductChanged {
            tags,
            ..ProductChanged::default()
        })
        .await;
    };
    purge(red).await;
    for path in ["/a", "/b"] {
        until("the tag is purged", async || {
            site.read(path, &[]).await.0 == "new"
        })
        .await;
    }
    assert_eq!(site.read("/c", &[]).await.0, "old");
    purge(format!("url:{}/c", site.edge.edge)).await;
    until("the page is purged", async || {
        site.read("/c", &[]).await.0 == "new"
    })
    .await;
}

#[tokio::test]
async fn the_origin_sees_the_caller_s_request_without_what_is_between_proxies() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    let headers = [
        ("authorization", "Basic x"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "6.6.6.6"),
        ("souk-internal", "secret"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    site.ask("GET", "/a", &headers).await;
    let saw = |name| site.origin.saw(name);
    assert_eq!(saw("host").unwrap(), site.edge.edge.to_string());
    assert_eq!(saw("authorization").unwrap(), "Basic x");
    assert_eq!(saw("cookie").unwrap(), "a=b");
    assert_eq!(saw("x-forwarded-for").unwrap(), "127.0.0.1");
    assert!(saw("traceparent").is_some());
    assert_eq!((saw("souk-internal"), saw("x-hop")), (None, None));
}

#[tokio::test]
async fn pages_are_served_over_http_2() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("one", "max-age=60"));
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Full<Bytes>>();
    let uri: http::Uri = format!("http://{}/a", site.edge.edge).parse().unwrap();
    for begins in [STORED, "souk; hit"] {
        let response = client.get(uri.clone()).await.unwrap();
        let status = response.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(status.starts_with(begins), "{status}");
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "one"
        );
    }
    // One entry, whatever the version.
    assert!(site.read("/a", &[]).await.1.starts_with("souk; hit"));
}

#[tokio::test]
async fn the_longest_prefix_leads() {
    let (all, media) = (
        WebOrigin::start(Clock::system()).await,
        WebOrigin::start(Clock::system()).await,
    );
    let root = format!("/=http://{}", all.address);
    let media_flag = format!("/media=http://{}", media.address);
    let both = format!("{root},{media_flag}");
    let edge = Harness::with(&["--origin", &both]).await;
    media.put("/media/a", Page::cached("media", "max-age=60"));
    all.put("/a", Page::cached("all", "max-age=60"));
    assert_eq!(edge.http("GET", "/media/a").await.body, "media");
    assert_eq!(edge.http("GET", "/a").await.body, "all");
    assert_eq!(edge.http("GET", "/media/../a").await.status, 404);
    assert_eq!(
        edge.http("GET", "/.well-known/jwks.json").await.json()["keys"][0]["kty"],
        "OKP"
    );
}

#[test]
fn an_origin_that_is_none_stops_the_start() {
    let error = Config::try_parse_from(["edge", "--origin", "media=http://x:1"]).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("\"media\" is not a path to begin with"),
        "{told}"
    );
    assert!(told.contains("--origin"), "{told}");
}
