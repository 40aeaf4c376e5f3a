//! A service that is away, or hangs, takes only itself away.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use proto::souk::{
    catalog::v1::GetProductRequest,
    order::v1::{GetCartRequest, PlaceOrderRequest},
};
use svc_kit::clock::Clock;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Fleet, Load, UNLIMITED, batch, service};
use crate::support::{
    Harness, product_id, read,
    services::Shop,
    tokens::{bearing, customer},
    until,
};

#[tokio::test]
async fn a_service_that_is_away_takes_only_itself_away() {
    let clock = Clock::manual(Clock::system().now());
    let fleet = Fleet::build(2, &UNLIMITED, clock).await;
    let edge = &fleet.edge;
    let mut catalog = edge.catalog().await;
    let id = product_id();
    read(&mut catalog, &id).await;
    fleet.shops.iter().for_each(|shop| shop.crash());
    edge.clock.advance(Duration::from_secs(600 + 1000)); // fresh no more

    let refused = async || {
        let refused = batch(edge.channel().await).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        refused
    };
    until("it is not asked any more", async || {
        refused().await;
        service(edge, "catalog").await["breaker"] == "open"
    })
    .await;
    let retry = refused().await.get_details_retry_info().unwrap();
    assert!(retry.retry_delay.is_some());
    assert!(
        !refused()
            .await
            .metadata()
            .get("retry-after")
            .unwrap()
            .is_empty()
    );

    let (product, status) = read(&mut catalog, &id).await;
    assert_eq!((product.id, status.as_str()), (id, "souk; hit; ttl=-1000"));

    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    order
        .get_cart(bearing(&token, GetCartRequest {}))
        .await
        .unwrap();
    assert_eq!(service(edge, "order").await["breaker"], "closed");
    // svc-identity's instances are the same servers: plain HTTP says it, too.
    until("svc-identity is found away", async || {
        let answer = edge.http("GET", "/.well-known/jwks.json").await;
        answer.status == 503 && service(edge, "identity").await["breaker"] == "open"
    })
    .await;
    let answer = edge.http("GET", "/.well-known/jwks.json").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("retry-after"), "1");

    let mut back = Vec::new();
    for shop in &fleet.shops {
        back.push(Shop::start_at(shop.address).await);
    }
    until("it is back", async || {
        batch(edge.channel().await).await.is_ok()
    })
    .await;
    until("it is whole", async || {
        batch(edge.channel().await).await.is_ok()
            && service(edge, "catalog").await["breaker"] == "closed"
    })
    .await;
}

#[tokio::test]
async fn a_service_that_hangs_holds_a_bounded_number_of_requests_and_none_of_the_others() {
    let flags = [&UNLIMITED[..], &["--max-calls-per-service", "5"]].concat();
    let fleet = Fleet::start(1, &flags).await;
    let edge = &fleet.edge;
    fleet.shops[0].hanging.send_replace(true);
    // Each asks again when its time is over.
    let waiting = Load::of_reads(edge, 5).await;
    let is_one_too_many = |refused: &Status| {
        let info = refused.get_details_error_info();
        info.is_some_and(|info| info.reason == "SERVICE_OVERLOADED")
    };
    until("one more is refused, and does not wait", async || {
        let refused = batch(edge.channel().await).await.unwrap_err();
        is_one_too_many(&refused)
            && refused.code() == Code::Unavailable
            && refused.get_details_retry_info().is_some()
    })
    .await;
    // The cache's own questions have no places of their own.
    until("a question of the cache is refused", async || {
        let question = GetProductRequest { id: product_id() };
        let asked = edge.catalog().await.get_product(question).await;
        is_one_too_many(&asked.unwrap_err())
    })
    .await;
    let token = customer(&edge.clock);
    let asked = bearing(&token, GetCartRequest {});
    edge.order().await.get_cart(asked).await.unwrap();
    assert_eq!(waiting.good.load(SeqCst), 0, "it hangs all the while");

    fleet.shops[0].hanging.send_replace(false);
    waiting.until_more(5).await;
    waiting.end().await;
    until("there is a place again", async || {
        batch(edge.channel().await).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn streams_and_calls_have_places_of_their_own() {
    let flags = [&UNLIMITED[..], &["--max-calls-per-service", "0"]].concat();
    let edge = Harness::with(&flags).await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    let placed = order.place_order(bearing(&token, PlaceOrderRequest::default()));
    let refused = placed.await.unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SERVICE_OVERLOADED");
    let watching = bearing(&token, proto::souk::order::v1::WatchOrderRequest::default());
    let stream = order.watch_order(watching).await.unwrap();
    assert_eq!(service(&edge, "order").await["streams_in_flight"], 1);
    drop(stream);
}
