//! What operators see of the cache on the admin port.

use serde_json::json;

use crate::support::{Harness, nats::Cable, product_id, read, until};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

#[tokio::test]
async fn what_is_kept_under_a_tag_is_listed() {
    let edge = Harness::start().await;
    let (id, other) = (product_id(), product_id());
    let mut catalog = edge.catalog().await;
    for id in [&id, &id, &id, &other] {
        read(&mut catalog, id).await;
    }
    let answer = edge
        .admin(&format!("/cache/entries?tag=product:{id}"))
        .await;
    assert_eq!(answer.status, 200);
    let listed = answer.json();
    assert_eq!(listed["total"], 1, "{listed}");
    let entry = &listed["entries"][0];
    assert_eq!(entry["method"], GET_PRODUCT);
    assert_eq!(entry["request"], json!({ "id": id }));
    assert_eq!(entry["hits"], 2);
    assert!(entry["ttl_seconds"].as_i64().unwrap() > 590, "{entry}");
    assert!(entry["bytes"].as_u64().unwrap() > 0);

    let none = edge
        .admin("/cache/entries?tag=product:nobody&limit=5")
        .await;
    assert_eq!(none.json(), json!({ "entries": [], "total": 0 }));
}

#[tokio::test]
async fn the_questions_asked_most_come_first() {
    let edge = Harness::start().await;
    let ids = [product_id(), product_id(), product_id()];
    let mut catalog = edge.catalog().await;
    for (id, reads) in ids.iter().zip([2, 6, 4]) {
        for _ in 0..reads {
            read(&mut catalog, id).await;
        }
    }
    let top = edge.admin("/cache/top?limit=2").await.json();
    let top: Vec<_> = top["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["request"]["id"].as_str().unwrap(),
                entry["hits"].as_u64(),
            )
        })
        .collect();
    assert_eq!(top, [(&*ids[1], Some(5)), (&*ids[2], Some(3))]);
}

#[tokio::test]
async fn reads_are_counted_by_method() {
    let edge = Harness::start().await;
    let id = product_id();
    let mut catalog = edge.catalog().await;
    for _ in 0..3 {
        read(&mut catalog, &id).await;
    }
    until("the reads are counted", async || {
        let reads = edge.admin("/cache/reads").await.json();
        let reads = &reads[GET_PRODUCT];
        // Other tests in this process count, too.
        reads["hit"].as_u64() >= Some(2)
            && reads["miss"].as_u64() >= Some(1)
            && reads["hit_ratio"]
                .as_f64()
                .is_some_and(|ratio| ratio > 0.0 && ratio < 1.0)
    })
    .await;
    let metrics = edge.metrics().await;
    assert!(metrics.contains("edge_caught_up{signal=\"purges\"}"));
}

#[tokio::test]
async fn a_purge_by_address_is_a_purge_of_its_tag() {
    let edge = Harness::start().await;
    let purge = json!({ "urls": ["https://Shop.Example:443/media/1.jpg?w=200"] });
    let answer = edge.order_admin("/cache/purge", purge).await;
    assert_eq!(answer.status, 202);
    let purged = answer.json();
    assert_eq!(
        purged["tags"],
        json!(["url:shop.example/media/1.jpg?w=200"])
    );
    assert_eq!(purged["soft"], false);
    until("it is counted", async || {
        let metrics = edge.metrics().await;
        metrics.contains("edge_cache_purge_delay_seconds_count{kind=\"tag\"}")
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let edge = Harness::start().await;
    for (path, reason) in [
        ("/cache/entries", "either a tag or a url is needed"),
        (
            "/cache/entries?tag=a&url=http://b/",
            "either a tag or a url is needed",
        ),
        (
            "/cache/entries?url=/media/1.jpg",
            "does not begin with https://",
        ),
        ("/cache/entries?tag=", "a tag has 1 to 8192 bytes"),
        ("/cache/entries?tag=a&limit=1001", "the limit is above 1000"),
        ("/cache/top?limit=many", "limit"),
        ("/cache/top?last=5", "unknown field"),
    ] {
        let answer = edge.admin(path).await;
        assert_eq!(answer.status, 400, "{path}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(reason), "{path}: {error}");
    }
    for (purge, status, reason) in [
        (json!({}), 400, "1 to 1000 tags and urls are taken, not 0"),
        (json!({ "tags": vec!["a"; 1001] }), 400, "not 1001"),
        (json!({ "tags": [""] }), 400, "a tag has 1 to"),
        (json!({ "tags": ["x".repeat(9000)] }), 400, "a tag has 1 to"),
        (json!({ "urls": ["not a url"] }), 400, "is no url"),
        (json!({ "tag": "a" }), 422, "unknown field"),
    ] {
        let answer = edge.order_admin("/cache/purge", purge).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_purge_that_cannot_be_told_is_not_taken() {
    let cable = Cable::lay().await;
    let nats = cable.url();
    let edge = Harness::with(&["--nats-url", &nats]).await;
    cable.cut();
    until("it hears nothing", async || !edge.has_caught_up().await).await;
    let answer = edge
        .order_admin("/cache/purge", json!({ "tags": ["a"] }))
        .await;
    assert_eq!(answer.status, 503);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("NATS"), "{error}");
}
