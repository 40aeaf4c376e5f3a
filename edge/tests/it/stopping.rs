//! The start and the end of an edge.

use std::time::Duration;

use edge::App;
use proto::souk::order::v1::WatchOrderRequest;
use tokio::{net::TcpStream, time::Instant};
use tonic::Code;

use crate::support::{
    Harness, config, free_address, product_id, read,
    tokens::{bearing, customer},
    until,
};

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
async fn a_stream_that_is_left_at_the_end_is_told_to_come_back() {
    let edge = Harness::start().await;
    let mut order = edge.order().await;
    let token = customer(&edge.clock);
    let watching = order.watch_order(bearing(&token, WatchOrderRequest::default()));
    let saying = async {
        until("it listens", async || {
            edge.shop.updates.receiver_count() == 1
        })
        .await;
        edge.shop.updates.send("one".to_owned()).unwrap();
    };
    let (stream, ()) = tokio::join!(watching, saying);
    let mut stream = stream.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());

    edge.shutdown.stop();
    let told = stream.message().await.unwrap_err();
    assert_eq!(told.code(), Code::Unavailable, "{told:?}");
    assert_eq!(told.message(), "the service did not answer properly");
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
