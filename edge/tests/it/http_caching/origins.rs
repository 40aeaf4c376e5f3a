//! What an origin is asked, over which protocol, and which one it is.

use std::sync::Arc;

use bytes::Bytes;
use clap::Parser as _;
use edge::Config;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use svc_kit::clock::Clock;
use tokio::task::JoinSet;

use super::{STORED, Site};
use crate::support::{
    Harness, until,
    web_origin::{Page, WebOrigin},
};

#[tokio::test]
async fn the_origin_sees_the_caller_s_request_without_what_is_between_proxies() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    let headers = [
        ("authorization", "Basic x"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "6.6.6.6"),
        ("connection", "x-hop"),
    ];
    let hidden = [
        "x-hop",
        "souk-internal",
        "souk_internal",
        "x-forwarded-host",
        "x-forwarded-prefix",
        "x_forwarded_for",
        "x-original-url",
        "x_original_url",
        "x-rewrite-url",
        "x-original-host",
        "x-http-method-override",
        "x_http_method_override",
        "x-http-method",
        "x-method-override",
    ];
    let all = [&headers[..], &hidden.map(|name| (name, "1"))].concat();
    site.ask("GET", "/a", &all).await;
    let saw = |name| site.origin.saw(name);
    assert_eq!(saw("host").unwrap(), site.edge.edge.to_string());
    assert_eq!(saw("authorization").unwrap(), "Basic x");
    assert_eq!(saw("cookie").unwrap(), "a=b");
    assert_eq!(saw("x-forwarded-for").unwrap(), "127.0.0.1");
    assert!(saw("traceparent").is_some());
    for name in hidden {
        assert_eq!(saw(name), None, "{name}");
    }
}

#[tokio::test]
async fn what_passes_the_cache_says_as_little_of_other_targets() {
    let site = Site::start().await;
    let names = ["x-original-url", "x-rewrite-url", "x-forwarded-prefix"];
    let headers = names.map(|name| (name, "/admin"));
    site.ask("POST", "/a", &headers).await;
    assert_eq!(site.origin.calls("POST", "/a"), 1);
    for name in names {
        assert_eq!(site.origin.saw(name), None, "{name}");
    }
}

#[tokio::test]
async fn the_origin_hears_of_the_host_that_a_page_is_kept_under() {
    let site = Site::start().await;
    site.origin.put("/a", Page::cached("x", "max-age=60"));
    let spelled = [("host", "Shop.Example:80")];
    assert_eq!(site.read("/a", &spelled).await.1, STORED);
    assert_eq!(site.origin.saw("host").unwrap(), "shop.example");
    let (_, status) = site.read("/a", &[("host", "shop.example")]).await;
    assert!(status.starts_with("souk; hit"), "{status}");
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

#[tokio::test]
async fn an_origin_has_no_more_requests_at_once_than_it_may() {
    let site = Arc::new(Site::with(&["--max-requests-per-origin", "2"]).await);
    let control = "max-age=10, stale-if-error=100";
    site.origin.put("/kept", Page::cached("kept", control));
    site.get("/kept").await;
    site.wait(20);
    for method in ["GET", "POST"] {
        let mut callers = JoinSet::new();
        for path in ["/a", "/b"] {
            site.origin
                .put(path, Page::cached("ab", "max-age=60").gated());
            let site = Arc::clone(&site);
            callers.spawn(async move { site.ask(method, path, &[]).await.body });
        }
        until("the origin has both", async || {
            let calls = |path| site.origin.calls(method, path);
            calls("/a") == 1 && calls("/b") == 1
        })
        .await;
        for other in ["GET", "POST"] {
            let refused = site.ask(other, "/c", &[]).await;
            assert_eq!(refused.status, 503, "{method}, {other}: {refused:?}");
            assert_eq!(refused.json()["reason"], "SERVICE_OVERLOADED");
            assert_eq!(refused.header("retry-after"), "1");
        }
        let (body, status) = site.read("/kept", &[]).await;
        assert_eq!(body, "kept");
        assert!(status.ends_with("detail=stale-if-error"), "{status}");
        let service = site.ask("GET", "/.well-known/jwks.json", &[]).await;
        assert_eq!(service.status, 200);

        site.origin.gate.add_permits(2);
        assert_eq!(callers.join_all().await, ["ab", "ab"]);
        until("there is a place", async || {
            site.get("/c").await.status == 404
        })
        .await;
    }
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
