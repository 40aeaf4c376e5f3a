//! What makes a kept page void.

use std::sync::Arc;

use proto::souk::event::v1::ProductChanged;

use super::Site;
use crate::support::{nats, product_id, until, web_origin::Page};

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
        (201, "souk; fwd=method")
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
async fn a_page_under_way_at_a_purge_is_not_kept() {
    let site = Arc::new(Site::start().await);
    // The purge comes before its headers, or after its first half.
    for (path, marker, body) in [("/a", "/marker-a", ""), ("/b", "/marker-b", "body")] {
        let tag = product_id();
        let page = |version: &str| {
            Page::cached(body, "max-age=60")
                .with("cache-tag", &tag)
                .with("x-version", version)
        };
        site.origin.put(marker, page("old"));
        site.get(marker).await;
        site.origin.put(marker, page("new"));
        site.origin.put(path, page("old").gated());
        let first = tokio::spawn({
            let site = Arc::clone(&site);
            async move { site.get(path).await }
        });
        until("the origin is asked", async || site.gets(path) == 1).await;
        site.origin.put(path, page("new"));
        nats::publish(&ProductChanged {
            tags: vec![tag.clone()],
            ..ProductChanged::default()
        })
        .await;
        until("the purge has come", async || {
            site.get(marker).await.header("x-version") == "new"
        })
        .await;
        site.origin.gate.add_permits(1);
        let first = first.await.unwrap();
        assert_eq!(first.header("x-version"), "old", "asked before the purge");
        assert_eq!(site.get(path).await.header("x-version"), "new", "{path}");
    }
}

#[tokio::test]
async fn what_a_purge_would_take_is_listed_with_its_hits() {
    let site = Site::start().await;
    let page = Page::cached("x", "max-age=60").with("cache-tag", "shoes");
    site.origin.put("/a?b=1", page);
    site.origin.put("/c", Page::cached("y", "max-age=60"));
    for _ in 0..3 {
        site.get("/a?b=1").await;
    }
    site.get("/c").await;
    let url = format!("http://{}/a?b=1", site.edge.edge);
    let by_url = format!("/cache/entries?url={url}");
    for which in ["/cache/entries?tag=shoes", &by_url, "/cache/top?limit=1"] {
        let listed = site.edge.admin(which).await.json();
        let [entry] = &listed["entries"].as_array().unwrap()[..] else {
            panic!("{which}: {listed}");
        };
        assert_eq!(entry["url"], url);
        assert_eq!((&entry["status"], &entry["hits"]), (&200.into(), &2.into()));
        assert_eq!(entry["on_disk"], false);
        assert!(entry["ttl_seconds"].as_i64().unwrap() > 50, "{entry}");
    }
    // What came later goes on counting.
    site.wait(61);
    site.get("/a?b=1").await;
    site.get("/a?b=1").await;
    let listed = site.edge.admin(&by_url).await.json();
    assert_eq!(listed["entries"][0]["hits"], 3, "{listed}");
}
