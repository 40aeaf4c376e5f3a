//! Services that are away, slow, or break off.

use std::time::Duration;

use edge::frame;
use proto::souk::{
    catalog::v1::{BatchGetProductsRequest, GetProductRequest},
    order::v1::{GetCartRequest, WatchOrderRequest},
};
use svc_kit::clock::Clock;
use tokio::time::Instant;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::support::{
    Harness, free_address, grpc_web, product_id, read,
    services::Shop,
    tokens::{bearing, customer},
    until,
};

#[tokio::test]
async fn a_service_that_is_away_is_unavailable_and_comes_back_by_itself() {
    let edge = Harness::start().await;
    let address = edge.shop.address;
    let away = format!("http://{}", free_address());
    let flags = ["--catalog-url", &away, "--identity-url", &away];
    let without = Harness::build_over(&flags, Shop::start().await).await;

    let request = BatchGetProductsRequest::default();
    let mut catalog = without.catalog().await;
    let refused = catalog
        .batch_get_products(request.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SERVICE_UNAVAILABLE");
    assert!(refused.get_details_retry_info().is_some());

    // The same for a read that would be kept, and in the other protocols.
    let read = GetProductRequest { id: product_id() };
    let refused = catalog.get_product(read.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    for path in ["GetProduct", "BatchGetProducts"] {
        let path = format!("/souk.catalog.v1.CatalogService/{path}");
        let answer = without.web().call(&path, &read).await;
        assert_eq!((answer.status, answer.grpc_status), (200, Some(14)));
    }
    let answer = without.http("GET", "/.well-known/jwks.json").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(!answer.header("retry-after").is_empty());

    let metrics = without.metrics().await;
    assert!(metrics.contains(
        "edge_upstream_failures_total{reason=\"SERVICE_UNAVAILABLE\",service=\"catalog\"}"
    ));

    let _back = Shop::start_at(away.trim_start_matches("http://").parse().unwrap()).await;
    until("it is back", async || {
        let mut catalog = without.catalog().await;
        catalog.batch_get_products(request.clone()).await.is_ok()
    })
    .await;
    assert_eq!(edge.shop.address, address);
}

#[tokio::test]
async fn a_kept_answer_outlives_its_service_for_as_long_as_it_may_and_not_longer() {
    let edge = Harness::with_manual_clock(&[]).await;
    let id = product_id();
    let request = GetProductRequest { id: id.clone() };
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &id).await;
    edge.shop.crash();

    // 600 s fresh, then stale for 3600 s more: see the contract.
    let steps = [(599, "ttl=1"), (2, "ttl=-1"), (60, "ttl=-61")];
    for (seconds, ttl) in steps {
        edge.clock.advance(Duration::from_secs(seconds));
        let (product, status) = read(&mut catalog, &id).await;
        assert_eq!(
            (product.id, status),
            (id.clone(), format!("souk; hit; {ttl}"))
        );
    }
    edge.clock.advance(Duration::from_secs(3600 - 62));
    read(&mut catalog, &id).await;

    edge.clock.advance(Duration::from_secs(1));
    let refused = catalog.get_product(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SERVICE_UNAVAILABLE");
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    for caller in [edge.web(), edge.web().into_text()] {
        let answer = caller.call(path, &request).await;
        assert_eq!((answer.status, answer.grpc_status), (200, Some(14)));
        assert!(answer.messages.is_empty());
    }
}

#[tokio::test]
async fn the_time_of_a_call_ends_it() {
    let edge = Harness::start().await;
    let mut catalog = edge.catalog().await;
    let id = format!("never-{}", product_id());
    let begun = Instant::now();
    let web = edge.web().with("grpc-timeout", "300m");
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    let answer = web.call(path, &GetProductRequest { id: id.clone() }).await;
    assert_eq!((answer.status, answer.grpc_status), (200, Some(4)));
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "the caller's own"
    );

    let refused = catalog
        .get_product(GetProductRequest { id })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the method's two seconds"
    );
    assert_eq!(edge.shop.calls("get_cart"), 0);
}

#[tokio::test]
async fn the_time_of_a_call_ends_it_at_the_service_too() {
    let edge = Harness::start().await;
    let mut catalog = edge.catalog().await;
    let ids = vec!["never".to_owned()];
    let mut call = Request::new(BatchGetProductsRequest { ids });
    // The caller watches the time, too, and may be the first to say so.
    call.metadata_mut()
        .insert("grpc-timeout", "300m".parse().unwrap());
    let refused = catalog.batch_get_products(call).await.unwrap_err();
    assert!(matches!(
        refused.code(),
        Code::DeadlineExceeded | Code::Cancelled
    ));
    until("nobody waits at the service", async || {
        edge.shop.watchers.load(std::sync::atomic::Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn a_call_whose_time_is_over_is_not_begun() {
    let edge = Harness::start().await;
    let token = customer(&edge.clock);
    let late = edge
        .web()
        .with("grpc-timeout", "0m")
        .with("authorization", &format!("Bearer {token}"));
    let answer = late
        .call("/souk.order.v1.OrderService/GetCart", &GetCartRequest {})
        .await;
    assert_eq!(answer.grpc_status, Some(4));
    assert_eq!(edge.shop.all_calls(), 0);
}

#[tokio::test]
async fn a_stream_that_breaks_off_does_not_look_as_if_it_had_ended() {
    let shop = Shop::start().await;
    let edge = Harness::build_over(&[], shop).await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    let mut native = order
        .watch_order(bearing(&token, WatchOrderRequest::default()))
        .await
        .unwrap()
        .into_inner();
    let web = edge.web().with("authorization", &format!("Bearer {token}"));
    let opening = web.open("/souk.order.v1.OrderService/WatchOrder", frame::data(b""));
    let saying = async {
        until("both listen", async || {
            edge.shop.updates.receiver_count() == 2
        })
        .await;
        edge.shop.updates.send("one".to_owned()).unwrap();
    };
    let (mut web, ()) = tokio::join!(opening, saying);
    assert!(native.message().await.unwrap().is_some());
    assert!(web.next().await.is_some());

    edge.shop.crash();
    let broken = native.message().await.unwrap_err();
    assert_eq!(broken.code(), Code::Unavailable, "{broken:?}");
    assert!(web.next().await.is_none());
    let trailers = web.trailers.expect("the rest is known to be missing");
    assert_eq!(grpc_web::status(&trailers), Some(14));
}

#[tokio::test]
async fn a_service_that_was_started_anew_is_found_without_an_error() {
    let shop = Shop::start().await;
    let address = shop.address;
    let clock = Clock::system();
    let edge = Harness::build(&[], clock, shop).await;
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &product_id()).await;
    catalog
        .batch_get_products(Request::new(BatchGetProductsRequest::default()))
        .await
        .unwrap();
    edge.shop.crash();
    let anew = until_bound(address).await;
    // Kept connections are dead; reads are repeated on new ones.
    read(&mut catalog, &product_id()).await;
    catalog
        .batch_get_products(Request::new(BatchGetProductsRequest::default()))
        .await
        .unwrap();
    assert_eq!(anew.all_calls(), 2);
}

/// Starts a shop where another has just ended.
async fn until_bound(address: std::net::SocketAddr) -> std::sync::Arc<Shop> {
    until("the address is free", async || {
        std::net::TcpListener::bind(address).is_ok()
    })
    .await;
    Shop::start_at(address).await
}
