//! The start and the end of an edge.

use std::time::Duration;

use edge::App;
use tokio::{net::TcpStream, time::Instant};

use crate::support::{Harness, config, free_address, product_id, read, until};

#[tokio::test]
async fn what_runs_is_finished_and_nothing_new_is_begun() {
    let edge = Harness::start().await;
    let id = format!("gated-{}", product_id());
    let mut catalog = edge.catalog().await;
    let running = tokio::spawn({
        let id = id.clone();
        async move { read(&mut catalog, &id).await }
    });
    until("the service is asked", async || edge.shop.calls(&id) == 1).await;
    edge.shutdown.stop();
    until("nobody is let in", async || {
        TcpStream::connect(edge.edge).await.is_err()
    })
    .await;
    assert!(!running.is_finished());
    edge.shop.gate.add_permits(1);
    assert_eq!(running.await.unwrap().0.id, id);
    let task = edge.task.lock().await.take().unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_nothing_running_it_stops_at_once() {
    let edge = Harness::start().await;
    read(&mut edge.catalog().await, &product_id()).await;
    let begun = Instant::now();
    edge.shutdown.stop();
    let task = edge.task.lock().await.take().unwrap();
    task.await.unwrap().unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_one_clear_line() {
    let edge = Harness::start().await;
    let config = config(edge.edge, free_address(), &edge.shop.url(), &[]);
    let error = App::build(config).await.unwrap_err();
    let line = format!("{error:#}");
    assert!(
        line.contains(&format!("cannot listen on {}", edge.edge)),
        "{line}"
    );
    assert!(!line.contains('\n'));
}

#[tokio::test]
async fn what_can_be_seen_of_a_request_tells_no_secrets() {
    let edge = Harness::start().await;
    let answer = edge.http("GET", "/nothing?token=secret-in-query").await;
    assert_eq!(answer.status, 404);
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(!body.contains("secret-in-query"));
    let metrics = edge.metrics().await;
    assert!(metrics.contains(
        "edge_requests_total{cache=\"none\",grpc_status=\"\",method=\"unknown\",status=\"404\"}"
    ));
    assert!(!metrics.contains("secret-in-query"));
    assert!(metrics.contains("edge_connections"));
}
