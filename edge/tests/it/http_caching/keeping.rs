//! What is kept, and for which requests.

use super::{STORED, Site};
use crate::support::{until, web_origin::Page};

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
        (
            "/forwarded",
            Page::cached("x", "max-age=60").with("vary", "X-Forwarded-For"),
            &[("x-forwarded-for", "6.6.6.6")],
        ),
        (
            "/trace",
            Page::cached("x", "max-age=60").with("vary", "accept, traceparent"),
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
async fn what_is_for_one_alone_keeps_nothing_from_the_others() {
    let site = Site::start().await;
    let authorized = ("authorization", "Basic x");
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    site.read("/a", &[authorized]).await;
    for _ in 0..3 {
        site.get("/a").await;
    }
    assert_eq!(site.gets("/a"), 2);
    // Nor does who asks anew, whatever he is told.
    let tagged = || Page::cached("x", "max-age=60").with("etag", "\"v1\"");
    let anew = ("cache-control", "no-cache");
    for (path, page, told) in [
        (
            "/bad",
            Page::cached("x", "max-age=60"),
            Page::new("bad").status(400),
        ),
        ("/denied", tagged(), Page::new("denied").status(403)),
        (
            "/own",
            Page::cached("x", "max-age=60"),
            Page::cached("own", "max-age=60"),
        ),
        ("/confirmed", tagged(), tagged()),
    ] {
        site.origin.put(path, page.clone());
        site.get(path).await;
        site.origin.put(path, told);
        let headers = if path == "/own" || path == "/confirmed" {
            vec![anew, authorized]
        } else {
            vec![anew]
        };
        let (_, status) = site.read(path, &headers).await;
        assert!(!status.contains("stored"), "{path}: {status}");
        site.origin.put(path, page);
        let (body, status) = site.read(path, &[]).await;
        assert_eq!(body, "x", "{path}");
        assert!(status.starts_with("souk; hit"), "{path}: {status}");
        assert_eq!(site.gets(path), 2, "{path}");
    }
}

#[tokio::test]
async fn what_becomes_everybody_s_is_kept_at_once() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("x", "private"));
    site.get("/a").await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    assert_eq!(site.read("/a", &[]).await.1, STORED);
    let (_, status) = site.read("/a", &[]).await;
    assert!(status.starts_with("souk; hit"), "{status}");
}

#[tokio::test]
async fn whoever_wants_a_part_of_what_is_not_shared_costs_no_whole() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("x", "private"));
    site.get("/a").await;
    for calls in 2..=3 {
        site.read("/a", &[("range", "bytes=0-0")]).await;
        assert_eq!(site.origin.saw("range").unwrap(), "bytes=0-0");
        assert_eq!(site.gets("/a"), calls);
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
async fn what_speaks_of_a_connection_is_passed_on_to_nobody() {
    let site = Site::start().await;
    for (path, control) in [("/shared", "max-age=60"), ("/alone", "private")] {
        let page = Page::cached("x", control)
            .with("connection", "x-hop")
            .with("x-hop", "1");
        site.origin.put(path, page);
        for _ in 0..2 {
            let answer = site.get(path).await;
            assert_eq!((answer.status, answer.header("x-hop")), (200, ""), "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_passed_on_tells_no_answers_apart() {
    let site = Site::start().await;
    let page = |body| Page::cached(body, "max-age=60").with("vary", "Accept-Language");
    site.origin.put("/a", page("for those who say nothing"));
    let hidden = [("accept-language", "de"), ("connection", "accept-language")];
    site.read("/a", &hidden).await;
    assert_eq!(site.origin.saw("accept-language"), None);
    site.origin.put("/a", page("de"));
    let (body, _) = site.read("/a", &[("accept-language", "de")]).await;
    assert_eq!(body, "de");
}

#[tokio::test]
async fn what_is_no_list_is_not_read_as_one() {
    let site = Site::start().await;
    let page = |body| Page::cached(body, "max-age=60").with("vary", "Cookie");
    site.origin.put("/a", page("nobody's"));
    site.read("/a", &[("cookie", ",lang=de")]).await;
    site.origin.put("/a", page("de"));
    for _ in 0..2 {
        assert_eq!(site.read("/a", &[("cookie", "lang=de")]).await.0, "de");
    }
    assert_eq!(site.gets("/a"), 2);
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
