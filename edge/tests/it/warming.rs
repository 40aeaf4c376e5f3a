//! An edge that asks before its callers do.

use std::{fs, path::Path};

use edge::App;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Harness, config, free_address, product_id, read, until};

fn line(id: &str) -> String {
    let method = "/souk.catalog.v1.CatalogService/GetProduct";
    json!({ "method": method, "request": { "id": id } }).to_string()
}

fn file(folder: &TempDir, lines: &[String]) -> String {
    let path = folder.path().join("questions.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn hits(edge: &Harness, id: &str) -> bool {
    let (_, status) = read(&mut edge.catalog().await, id).await;
    status.starts_with("souk; hit")
}

#[tokio::test]
async fn the_questions_of_a_list_are_asked_and_its_bad_lines_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (first, last) = (product_id(), product_id());
    let missing = format!("missing-{}", product_id());
    let lines = [
        line(&first),
        "not a question".to_owned(),
        String::new(),
        json!({ "method": "/souk.order.v1.OrderService/GetCart" }).to_string(),
        line(&missing),
        line(&first), // twice is once
        line(&last),
    ];
    let list = file(&folder, &lines);
    let edge = Harness::with(&["--warm-list", &list]).await;
    until("the last was asked", async || edge.shop.calls(&last) == 1).await;
    until("it is kept", async || hits(&edge, &last).await).await;
    assert!(hits(&edge, &first).await);
    for id in [&first, &missing, &last] {
        assert_eq!(edge.shop.calls(id), 1, "{id}");
    }
    let metrics = edge.metrics().await;
    assert!(metrics.contains("edge_cache_warmed_total{outcome=\"bad\"}"));
}

#[tokio::test]
async fn what_was_asked_most_before_the_stop_is_asked_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("memory.jsonl");
    let flags = ["--warm-memory", memory.to_str().unwrap()];
    let edge = Harness::with(&flags).await; // there is no such file yet
    let (often, once) = (product_id(), product_id());
    for id in [&once, &often, &often, &often] {
        read(&mut edge.catalog().await, id).await;
    }
    edge.stop().await;
    assert_eq!(lines(&memory), [line(&often), line(&once)], "most first");

    let edge = Harness::with(&flags).await;
    until("both are asked", async || edge.shop.all_calls() == 2).await;
    until("they are kept", async || {
        hits(&edge, &often).await && hits(&edge, &once).await
    })
    .await;
    assert_eq!(edge.shop.all_calls(), 2);
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn no_more_is_asked_than_the_rate_allows() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..6).map(|_| product_id()).collect();
    let questions: Vec<String> = ids.iter().map(|id| line(id)).collect();
    let list = file(&folder, &questions);
    let begun = tokio::time::Instant::now();
    let edge = Harness::with(&["--warm-list", &list, "--warm-per-second", "10"]).await;
    until("all are asked", async || edge.shop.all_calls() == 6).await;
    // The first at once, then five that wait a tenth of a second each.
    assert!(begun.elapsed().as_millis() >= 490, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_list_that_cannot_be_read_stops_the_start() {
    let edge = Harness::start().await;
    let shop = edge.shop.url();
    let flags = ["--warm-list", "/nowhere/questions.jsonl"];
    let config = config(free_address(), free_address(), &shop, &flags);
    let error = format!("{:#}", App::build(config).await.unwrap_err());
    assert!(
        error.contains("cannot read /nowhere/questions.jsonl"),
        "{error}"
    );
}
