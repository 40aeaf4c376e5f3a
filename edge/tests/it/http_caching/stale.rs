//! What is no longer fresh: asked about, served meanwhile, or served in need.

use std::sync::Arc;

use tokio::{net::TcpStream, task::JoinSet};

use super::Site;
use crate::support::{until, web_origin::Page};

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
    let freshened = "souk; fwd=stale; fwd-status=304; stored";
    assert_eq!(status, freshened, "{answer:?}");
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
async fn whoever_has_the_whole_page_asks_about_it_and_joins_no_fetch_that_is_over() {
    let site = Site::start().await;
    for n in 0..100 {
        let (path, page) = (format!("/{n}"), Page::cached("x", "no-cache"));
        site.origin.put(&path, page.with("etag", "\"v1\""));
        site.get(&path).await;
        let (_, status) = site.read(&path, &[]).await;
        assert_eq!(status, "souk; fwd=stale; fwd-status=304; stored", "{path}");
    }
}

#[tokio::test]
async fn what_the_origin_says_of_a_page_to_one_is_not_told_to_those_who_wait() {
    let site = Arc::new(Site::start().await);
    let page = |control: &str| Page::cached("", control).with("etag", "\"v1\"");
    site.origin.put("/a", page("max-age=60"));
    site.get("/a").await;
    site.wait(61);
    let own = page("max-age=60, private").with("set-cookie", "session=secret");
    site.origin.put("/a", own.gated());
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let site = Arc::clone(&site);
        callers.spawn(async move { site.get("/a").await.header("set-cookie").to_owned() });
    }
    until("the origin is asked", async || site.gets("/a") > 1).await;
    site.origin.gate.add_permits(10);
    assert_eq!(callers.join_all().await, vec!["session=secret"; 10]);
    assert_eq!(site.gets("/a"), 11, "each has its own");
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
async fn a_head_has_the_whole_page_fetched() {
    let site = Site::start().await;
    let control = "max-age=10, stale-while-revalidate=30";
    site.origin.put("/a", Page::cached("old", control));
    site.get("/a").await;
    site.wait(11);
    // Nothing but its end tells the length of the body.
    let page = Page::cached("a new one", control);
    site.origin.put("/a", page.chunked());
    let head = site.ask("HEAD", "/a", &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, "3"));
    until("it is fetched", async || {
        let head = site.ask("HEAD", "/a", &[]).await;
        let status = head.header("cache-status");
        status.starts_with("souk; hit") && !status.contains("ttl=-")
    })
    .await;
    let (body, status) = site.read("/a", &[]).await;
    assert_eq!(body, "a new one");
    assert!(status.starts_with("souk; hit"), "{status}");
    assert_eq!(site.origin.calls("HEAD", "/a"), 0);
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
async fn a_page_that_is_gone_is_gone_though_a_failure_would_be_covered() {
    let site = Site::start().await;
    let control = "max-age=10, stale-if-error=100";
    site.origin.put("/a", Page::cached("kept", control));
    site.get("/a").await;
    site.wait(50);
    site.origin.put("/a", Page::new("gone").status(404));
    let answer = site.get("/a").await;
    assert_eq!((answer.status, &answer.body[..]), (404, &b"gone"[..]));
}

#[tokio::test]
async fn an_origin_that_confirms_another_version_is_asked_for_the_whole() {
    let site = Site::start().await;
    // By its date it is the same, by its tag it is not.
    let page = |body: &'static str, tag: &str| {
        Page::cached(body, "max-age=60")
            .with("etag", tag)
            .with("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")
    };
    site.origin.put("/a", page("old", "\"v1\""));
    site.get("/a").await;
    site.wait(61);
    site.origin.put("/a", page("new", "\"v2\""));
    for _ in 0..2 {
        assert_eq!(site.read("/a", &[]).await.0, "new");
    }
    assert_eq!(site.gets("/a"), 3);
}

#[tokio::test]
async fn a_failure_that_may_be_kept_takes_no_good_page_s_place() {
    let site = Site::start().await;
    let control = "max-age=10, stale-if-error=100";
    site.origin.put("/a", Page::cached("good", control));
    site.get("/a").await;
    site.wait(11);
    site.origin
        .put("/a", Page::cached("sorry", "max-age=60").status(503));
    for method in ["GET", "HEAD", "GET"] {
        let answer = site.ask(method, "/a", &[]).await;
        assert_eq!(answer.status, 200, "{method}");
        let status = answer.header("cache-status");
        assert!(status.ends_with("detail=stale-if-error"), "{status}");
    }
    site.wait(100);
    assert_eq!(site.get("/a").await.status, 503);
}

#[tokio::test]
async fn a_head_of_what_is_for_one_alone_by_now_has_no_body() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("old", "max-age=10"));
    site.get("/a").await;
    site.wait(11);
    site.origin.put("/a", Page::cached("mine", "private"));
    for _ in 0..2 {
        let head = site.ask("HEAD", "/a", &[]).await;
        assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
        assert_eq!(head.header("content-length"), "4");
    }
    assert_eq!(&site.get("/a").await.body[..], b"mine");
}
