//! What callers may ask of a page that is kept.

use http::Request;
use http_body_util::Full;

use super::Site;
use crate::support::{send, web_origin::Page};

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
async fn conditions_and_ranges_are_for_what_is_there() {
    let site = Site::start().await;
    let gone = Page::cached("not there", "max-age=60").with("etag", "\"v1\"");
    site.origin.put("/a", gone.status(404));
    for ask in [
        ("accept", "*/*"),
        ("if-none-match", "\"v1\""),
        ("range", "bytes=0-1"),
    ] {
        let answer = site.ask("GET", "/a", &[ask]).await;
        assert_eq!((answer.status, answer.body.len()), (404, 9), "{ask:?}");
    }
    assert_eq!(site.gets("/a"), 1);
}

#[tokio::test]
async fn what_the_cache_does_not_read_goes_to_the_origin() {
    let site = Site::start().await;
    site.origin
        .put("/a", Page::cached("x", "max-age=60").with("etag", "\"v1\""));
    site.get("/a").await;
    for condition in [
        ("if-match", "\"v1\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let answer = site.ask("GET", "/a", &[condition]).await;
        assert_eq!(answer.header("cache-status"), "souk; fwd=bypass");
        assert_eq!(site.origin.saw(condition.0).unwrap(), condition.1);
    }
    let uri = format!("http://{}/a", site.edge.edge);
    let request = Request::get(uri).body(Full::from("a body")).unwrap();
    let answer = send(request).await.unwrap();
    assert_eq!(answer.header("cache-status"), "souk; fwd=bypass");
    assert_eq!(site.gets("/a"), 4);
}
