//! How often, how much.

use std::{collections::HashMap, time::Duration};

use http::Request;
use http_body_util::Full;
use proto::souk::{
    catalog::v1::{BatchGetProductsRequest, GetProductRequest},
    identity::v1::LogInRequest,
    order::v1::GetCartRequest,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Harness, config, product_id, read, send, tokens::customer};

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

/// The items of a list of structured fields whose parameters are integers:
/// each item's string, and its parameters.
fn items(field: &str) -> Vec<(&str, HashMap<&str, u64>)> {
    field
        .split(", ")
        .map(|item| {
            let mut parts = item.split(';');
            let name = parts.next().unwrap();
            let name = name.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            let parameters = parts.map(|part| {
                let (key, value) = part.split_once('=').unwrap();
                (key, value.parse().unwrap())
            });
            (name, parameters.collect())
        })
        .collect()
}

#[tokio::test]
async fn a_caller_hears_what_is_allowed_and_what_is_left() {
    let edge = Harness::with(&[
        "--rate-read-per-minute",
        "120",
        "--rate-account-read-per-minute",
        "3",
        "--allowed-origins",
        "https://shop.example",
    ])
    .await;
    let jwks = "/.well-known/jwks.json";
    let answer = edge.http("GET", jwks).await;
    let policy = items(answer.header("ratelimit-policy"));
    assert_eq!(policy, [("address", HashMap::from([("q", 30), ("w", 15)]))]);
    let left = items(answer.header("ratelimit"));
    assert_eq!(left, [("address", HashMap::from([("r", 29), ("t", 1)]))]);

    // A cached answer tells it as well.
    let get = GetProductRequest { id: product_id() };
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    for n in 0..2 {
        let answer = edge.web().call(path, &get).await;
        let left = items(answer.header("ratelimit"))[0].1["r"];
        assert!((27 - n..30).contains(&left), "{left}");
    }

    let token = customer(&edge.clock);
    let web = edge
        .web()
        .with("authorization", &format!("Bearer {token}"))
        .with("origin", "https://shop.example");
    let cart = async || {
        let path = "/souk.order.v1.OrderService/GetCart";
        web.call(path, &GetCartRequest {}).await
    };
    let mut answer = cart().await;
    let policy = items(answer.header("ratelimit-policy"));
    assert_eq!(policy[1], ("account", HashMap::from([("q", 3), ("w", 60)])));
    while answer.grpc_status == Some(0) {
        answer = cart().await;
    }
    assert_eq!(answer.grpc_status, Some(8));
    let left = items(answer.header("ratelimit"));
    assert_eq!((left[1].0, left[1].1["r"]), ("account", 0));
    let retry_after: u64 = answer.header("retry-after").parse().unwrap();
    assert_eq!(left[1].1["t"], retry_after);
    assert!((10..=20).contains(&retry_after));
    let exposed = answer.header("access-control-expose-headers");
    assert!(exposed.contains("ratelimit, ratelimit-policy"), "{exposed}");
}

#[tokio::test]
async fn a_lifted_limit_is_lifted_for_accounts_too() {
    let edge = Harness::with(&["--rate-read-per-minute", "0"]).await;
    let token = customer(&edge.clock);
    let answer = edge
        .web()
        .with("authorization", &format!("Bearer {token}"))
        .call("/souk.order.v1.OrderService/GetCart", &GetCartRequest {})
        .await;
    assert_eq!(answer.grpc_status, Some(0));
    assert!(answer.header("ratelimit-policy").is_empty());
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

#[tokio::test]
async fn limits_change_and_those_that_stay_go_on() {
    let edge = Harness::with(&["--rate-auth-per-minute", "3"]).await;
    let change = |flags: &[&str]| {
        let config = config(edge.edge, edge.admin, &edge.shop.url(), flags);
        edge.limits.change(&config.limits);
    };
    let mut identity = edge.identity().await;
    for _ in 0..3 {
        identity.log_in(LogInRequest::default()).await.unwrap();
    }
    change(&["--rate-auth-per-minute", "3", "--rate-read-per-minute", "1"]);
    let refused = identity.log_in(LogInRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(edge.http("GET", "/.well-known/jwks.json").await.status, 200);
    assert_eq!(edge.http("GET", "/.well-known/jwks.json").await.status, 429);
    change(&["--rate-auth-per-minute", "0"]);
    identity.log_in(LogInRequest::default()).await.unwrap();
}
