//! Pages while they arrive, and those who wait for them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

use super::{STORED, Site};
use crate::support::{raw::Raw, until, web_origin::Page};

/// How long a slow origin takes for a byte.
const DRIP: Duration = Duration::from_millis(10);

/// Gets a page; its body.
fn get(
    path: &'static str,
    headers: &'static [(&str, &str)],
    site: &Arc<Site>,
) -> impl Future<Output = String> + Send + use<> {
    let site = Arc::clone(site);
    async move { site.read(path, headers).await.0 }
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
async fn those_who_wait_for_what_is_too_large_get_their_own() {
    // One entry may take a sixteenth: the first half still fits.
    let site = Arc::new(Site::with(&["--cache-bytes", "1600000"]).await);
    let large = "x".repeat(150_000);
    let page = Page::cached(large.clone(), "max-age=60").chunked().gated();
    site.origin.put("/a", page);
    let first = tokio::spawn(get("/a", &[], &site));
    until("the origin is asked", async || site.gets("/a") == 1).await;
    let second = tokio::spawn(get("/a", &[], &site));
    until("both are there", async || site.in_flight().await >= 2).await;
    site.origin.gate.add_permits(2);
    for answer in [first, second] {
        assert_eq!(answer.await.unwrap(), large);
    }
}

#[tokio::test]
async fn those_who_waited_for_what_is_for_another_have_theirs_kept() {
    let site = Arc::new(Site::start().await);
    // Somebody asks badly.
    site.origin.put("/a", Page::new("").status(400).gated());
    let first = tokio::spawn(get("/a", &[], &site));
    until("the origin is asked", async || site.gets("/a") == 1).await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    let second = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.read("/a", &[]).await }
    });
    until("both are there", async || site.in_flight().await >= 2).await;
    site.origin.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), "");
    assert_eq!(second.await.unwrap(), ("x".to_owned(), STORED.to_owned()));
    assert!(site.read("/a", &[]).await.1.starts_with("souk; hit"));
}

#[tokio::test]
async fn nobody_waits_for_who_is_authorized() {
    let site = Arc::new(Site::start().await);
    site.origin
        .put("/a", Page::cached("", "max-age=60").gated());
    let first = tokio::spawn(get("/a", &[("authorization", "Basic x")], &site));
    until("the origin is asked", async || site.gets("/a") == 1).await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    assert_eq!(site.read("/a", &[]).await.1, STORED);
    site.origin.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), "");
    assert!(site.read("/a", &[]).await.1.starts_with("souk; hit"));
}

#[tokio::test]
async fn those_who_want_another_variant_get_their_own() {
    let site = Arc::new(Site::start().await);
    let page =
        |body: &'static str| Page::cached(body, "max-age=60").with("vary", "accept-language");
    site.origin.put("/a", page("german").gated());
    let first = tokio::spawn(get("/a", &[("accept-language", "de")], &site));
    until("the origin is asked", async || site.gets("/a") == 1).await;
    site.origin.put("/a", page("english"));
    let second = tokio::spawn(get("/a", &[("accept-language", "en")], &site));
    until("both are there", async || site.in_flight().await >= 2).await;
    site.origin.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), "german");
    assert_eq!(second.await.unwrap(), "english");
}

#[tokio::test]
async fn who_wants_what_is_current_waits_for_nothing_older() {
    let site = Arc::new(Site::start().await);
    let page = |body: &'static str| Page::cached(body, "max-age=60");
    site.origin.put("/a", page("old").gated());
    let first = tokio::spawn(get("/a", &[], &site));
    until("the origin is asked", async || site.gets("/a") == 1).await;
    site.origin.put("/a", page("new"));
    site.wait(1);
    let current = get("/a", &[("cache-control", "no-cache")], &site).await;
    assert_eq!(current, "new");
    site.origin.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), "old");
    assert_eq!(site.read("/a", &[]).await.0, "new", "the older came later");
}

#[tokio::test]
async fn pages_that_are_still_read_take_room_from_those_that_arrive() {
    // A quarter is for what arrives, and no entry takes more than a sixteenth.
    // A connection holds less than a page.
    let site = Site::with(&["--cache-bytes", "128000000"]).await;
    let large = "x".repeat(7_500_000);
    let put = |path: &str| {
        site.origin
            .put(path, Page::cached(large.clone(), "max-age=60"));
    };
    let mut readers = Vec::new();
    for path in ["/0", "/1", "/2", "/3"] {
        put(path);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut reader = Raw(socket.connect(site.edge.edge).await.unwrap());
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", site.edge.edge);
        reader.say(request).await;
        let head = reader.hear_until("\r\n\r\n").await;
        assert!(head.contains(STORED), "{head}");
        readers.push(reader);
        until("it has come whole", async || {
            let head = site.ask("HEAD", path, &[]).await;
            head.header("cache-status").starts_with("souk; hit")
        })
        .await;
    }
    put("/4");
    let (body, status) = site.read("/4", &[]).await;
    assert_eq!(body.len(), large.len());
    assert!(!status.contains("stored"), "{status}");
    readers.pop();
    until("there is room", async || {
        site.read("/4", &[]).await.1 == STORED
    })
    .await;
}

#[tokio::test]
async fn a_page_that_takes_too_long_to_be_kept_is_read_to_its_end() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("/slow=http://{}", origin.local_addr().unwrap());
    // Twelve times that is the end of a page that is kept.
    let flags = ["--default-timeout-ms", "50", "--origin", &at];
    let site = Site::with(&flags).await;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = origin.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n\
                            content-length: 100\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                for _ in 0..100 {
                    tokio::time::sleep(DRIP).await;
                    let _ = stream.write_all(b"x").await;
                }
            });
        }
    });
    let (body, _) = site.read("/slow/page", &[]).await;
    assert_eq!(body.len(), 100);
}
