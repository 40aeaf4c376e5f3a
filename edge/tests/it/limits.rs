//! How often, how much.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use proto::souk::{catalog::v1::BatchGetProductsRequest, identity::v1::LogInRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Harness, product_id, read, send};

const LOG_IN: &str = "/souk.identity.v1.IdentityService/LogIn";

#[tokio::test]
async fn an_address_can_guess_passwords_only_so_often() {
    let edge = Harness::with(&["--rate-auth-per-minute", "3"]).await;
    let mut identity = edge.identity().await;
    for _ in 0..3 {
        identity.log_in(LogInRequest::default()).await.unwrap();
    }
    let refused = identity.log_in(LogInRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let retry = refused.get_details_retry_info().unwrap();
    let after = retry.retry_delay.unwrap();
    assert!(after > Duration::from_secs(10) && after <= Duration::from_secs(20));
    assert_eq!(
        refused.get_details_error_info().unwrap().reason,
        "RATE_LIMITED"
    );
    let seconds: u64 = refused
        .metadata()
        .get("retry-after")
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((10..=20).contains(&seconds));

    let answer = edge.web().call(LOG_IN, &LogInRequest::default()).await;
    assert_eq!(answer.grpc_status, Some(8));
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(edge.shop.calls("log_in"), 3);
    // Other classes are counted apart.
    read(&mut edge.catalog().await, &product_id()).await;
}

#[tokio::test]
async fn plain_http_over_the_limit_is_429() {
    let edge = Harness::with(&["--rate-read-per-minute", "2"]).await;
    for _ in 0..2 {
        assert_eq!(edge.http("GET", "/.well-known/jwks.json").await.status, 200);
    }
    let answer = edge.http("GET", "/.well-known/jwks.json").await;
    assert_eq!(answer.status, 429);
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(answer.json()["reason"], "RATE_LIMITED");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let edge = Harness::with(&["--max-body-bytes", "10000"]).await;
    let request = BatchGetProductsRequest {
        ids: vec!["x".repeat(20_000)],
    };
    // HTTP/1.1 announces the length; HTTP/2 does not.
    let path = "/souk.catalog.v1.CatalogService/BatchGetProducts";
    let answer = edge.web().call(path, &request).await;
    assert_eq!((answer.status, answer.grpc_status), (200, Some(8)));
    let refused = edge
        .catalog()
        .await
        .batch_get_products(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(
        refused.get_details_error_info().unwrap().reason,
        "BODY_TOO_LARGE"
    );
    let small = BatchGetProductsRequest {
        ids: vec!["x".repeat(9_000)],
    };
    edge.catalog()
        .await
        .batch_get_products(small)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_caller_who_sends_on_hears_that_a_body_is_too_large() {
    let edge = Harness::with(&["--max-body-bytes", "10000"]).await;
    // More than a stream and a connection may have under way.
    let request = BatchGetProductsRequest {
        ids: vec!["x".repeat(3 << 20)],
    };
    for _ in 0..5 {
        let mut catalog = edge.catalog().await;
        let calling = catalog.batch_get_products(request.clone());
        let refused = calling.await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        let info = refused.get_details_error_info().unwrap();
        assert_eq!(info.reason, "BODY_TOO_LARGE");
    }
}

#[tokio::test]
async fn headers_over_the_limit_are_refused() {
    let edge = Harness::start().await;
    let request = |count: usize, bytes: usize| {
        let mut request = Request::get(format!("http://{}/.well-known/jwks.json", edge.edge));
        for n in 0..count {
            request = request.header(format!("x-filler-{n}"), "v".repeat(bytes));
        }
        send(request.body(Full::default()).unwrap())
    };
    assert_eq!(request(10, 100).await.unwrap().status, 200);
    assert_eq!(request(120, 1).await.unwrap().status, 431);
    assert_eq!(request(10, 5000).await.unwrap().status, 431);
}

#[tokio::test]
async fn a_connection_over_the_limit_is_closed() {
    let edge = Harness::with(&["--max-connections", "2"]).await;
    let get = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(edge.edge).await.unwrap();
        stream.write_all(get).await.unwrap();
        assert!(stream.read_u8().await.is_ok());
        open.push(stream);
    }
    let mut third = TcpStream::connect(edge.edge).await.unwrap();
    let _ = third.write_all(get).await;
    assert!(third.read_u8().await.is_err(), "closed without an answer");
    open.pop();
    crate::support::until("there is a place again", async || {
        let mut stream = TcpStream::connect(edge.edge).await.unwrap();
        stream.write_all(get).await.is_ok() && stream.read_u8().await.is_ok()
    })
    .await;
}
