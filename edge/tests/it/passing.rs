//! What passes through: streams, errors, tokens, deadlines.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use edge::frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prost::Message as _;
use proto::souk::{
    catalog::v1::{
        BatchGetProductsRequest, GetProductRequest, ImportProductsRequest, ImportRow, Product,
        catalog_service_client::CatalogServiceClient,
    },
    identity::v1::LogInRequest,
    order::v1::{
        GetCartRequest, PlaceOrderRequest, WatchOrderRequest, WatchOrderResponse,
        order_service_client::OrderServiceClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use tonic_web::GrpcWebClientLayer;

use crate::support::{
    Harness, product_id,
    tokens::{bearing, customer, staff},
    until,
};

const WATCH_ORDER: &str = "/souk.order.v1.OrderService/WatchOrder";

/// Waits until so many streams are open, then says something on all of them.
async fn say(edge: &Harness, watchers: usize, update: &str) {
    until("the stream is open", async || {
        edge.shop.watchers.load(SeqCst) == watchers
            && edge.shop.updates.receiver_count() >= watchers
    })
    .await;
    edge.shop.updates.send(update.to_owned()).unwrap();
}

#[tokio::test]
async fn a_stream_passes_message_by_message_in_native_grpc() {
    let edge = Harness::start().await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    let mut stream = order
        .watch_order(bearing(&token, WatchOrderRequest::default()))
        .await
        .unwrap()
        .into_inner();
    for update in ["one", "two", "three"] {
        say(&edge, 1, update).await;
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.order.unwrap().id, update);
    }
    edge.shop.updates.send("end".to_owned()).unwrap();
    assert!(stream.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_passes_message_by_message_in_grpc_web() {
    let edge = Harness::start().await;
    let token = format!("Bearer {}", customer(&edge.clock));
    for caller in [edge.web(), edge.web().into_text()] {
        let caller = caller.with("authorization", &token);
        let opening = caller.open(WATCH_ORDER, frame::data(b""));
        let (mut stream, ()) = tokio::join!(opening, say(&edge, 1, "one"));
        let first = WatchOrderResponse::decode(stream.next().await.unwrap()).unwrap();
        assert_eq!(first.order.unwrap().id, "one");
        say(&edge, 1, "two").await;
        assert!(stream.next().await.is_some());
        edge.shop.updates.send("end".to_owned()).unwrap();
        assert!(stream.next().await.is_none());
        assert!(stream.trailers.unwrap().contains("grpc-status:0"));
        until("the stream is closed", async || {
            edge.shop.watchers.load(SeqCst) == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_call_at_the_service() {
    let edge = Harness::start().await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    let native = order
        .watch_order(bearing(&token, WatchOrderRequest::default()))
        .await
        .unwrap();
    let caller = edge.web().with("authorization", &format!("Bearer {token}"));
    let opening = caller.open(WATCH_ORDER, frame::data(b""));
    let (web, ()) = tokio::join!(opening, say(&edge, 2, "hello"));
    drop(native);
    until("the native stream is closed", async || {
        edge.shop.watchers.load(SeqCst) == 1
    })
    .await;
    drop(web);
    drop(caller);
    until("the web stream is closed", async || {
        edge.shop.watchers.load(SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn both_sides_of_a_stream_pass_and_no_size_ends_it() {
    let edge = Harness::start().await;
    let token = staff(&edge.clock);
    let (sender, receiver) = mpsc::channel(1);
    let mut catalog = edge.catalog().await;
    let calling = catalog.import_products(bearing(&token, ReceiverStream::new(receiver)));
    let row = ImportRow {
        product: Some(Product {
            description: "x".repeat(900_000),
            ..Product::default()
        }),
        ..ImportRow::default()
    };
    let message = ImportProductsRequest { rows: vec![row] };
    let first = sender.send(message.clone());
    let (answers, sent) = tokio::join!(calling, first);
    sent.unwrap();
    let mut answers = answers.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().created, 1);
    // Far over the limit of a unary request.
    for _ in 0..10 {
        sender.send(message.clone()).await.unwrap();
        assert_eq!(answers.message().await.unwrap().unwrap().created, 1);
    }
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_service_s_error_passes_with_its_details() {
    let edge = Harness::start().await;
    let id = format!("missing-{}", product_id());
    let request = GetProductRequest { id };
    let error = edge
        .catalog()
        .await
        .get_product(request.clone())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::NotFound, "no such product")
    );
    let info = error.get_details_error_info().unwrap();
    assert_eq!(info.reason, "PRODUCT_UNKNOWN");

    let web = edge.web();
    let path = "/souk.catalog.v1.CatalogService/GetProduct";
    let answer = web.call(path, &request).await;
    assert_eq!((answer.status, answer.grpc_status), (200, Some(5)));
    let error = tonic::Status::from_header_map(&answer.headers).unwrap();
    assert_eq!(
        error.get_details_error_info().unwrap().reason,
        "PRODUCT_UNKNOWN"
    );
}

#[tokio::test]
async fn tokens_go_on_only_where_they_are_asked_for() {
    let edge = Harness::start().await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    order
        .get_cart(bearing(&token, GetCartRequest {}))
        .await
        .unwrap();
    assert_eq!(
        edge.shop.saw("authorization").unwrap(),
        format!("Bearer {token}")
    );
    let mut identity = edge.identity().await;
    identity
        .log_in(bearing(&token, LogInRequest::default()))
        .await
        .unwrap();
    assert_eq!(edge.shop.saw("authorization"), None);
}

#[tokio::test]
async fn a_deadline_goes_on_capped_by_the_method_s_own() {
    let edge = Harness::start().await;
    let token = customer(&edge.clock);
    let mut order = edge.order().await;
    let millis = |edge: &Harness| -> u64 {
        let header = edge.shop.saw("grpc-timeout").unwrap();
        header.strip_suffix('m').unwrap().parse().unwrap()
    };
    let mut request = bearing(&token, PlaceOrderRequest::default());
    request.set_timeout(Duration::from_secs(3));
    order.place_order(request).await.unwrap();
    assert!((1..=3000).contains(&millis(&edge)));
    let mut request = bearing(&token, PlaceOrderRequest::default());
    request.set_timeout(Duration::from_mins(50));
    order.place_order(request).await.unwrap();
    assert!(
        (3001..=5000).contains(&millis(&edge)),
        "the policy says 5 s"
    );
    order
        .place_order(bearing(&token, PlaceOrderRequest::default()))
        .await
        .unwrap();
    assert!((3001..=5000).contains(&millis(&edge)));
}

#[tokio::test]
async fn tonic_s_own_web_client_understands_every_kind_of_answer() {
    let edge = Harness::start().await;
    let http = Client::builder(TokioExecutor::new()).build_http();
    let service = tower::ServiceBuilder::new()
        .layer(GrpcWebClientLayer::new())
        .service(http);
    let origin: http::Uri = format!("http://{}", edge.edge).parse().unwrap();
    let mut catalog = CatalogServiceClient::with_origin(service.clone(), origin.clone());
    let mut order = OrderServiceClient::with_origin(service, origin);

    let id = product_id();
    for kind in ["from the service", "from the cache"] {
        let request = GetProductRequest { id: id.clone() };
        let product = catalog.get_product(request).await.unwrap().into_inner();
        assert_eq!(product.id, id, "{kind}");
    }
    let missing = GetProductRequest {
        id: format!("missing-{id}"),
    };
    let error = catalog.get_product(missing).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let error = order.get_cart(GetCartRequest {}).await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
    let info = error.get_details_error_info().unwrap();
    assert_eq!(info.reason, "TOKEN_MISSING");
}

#[tokio::test]
async fn a_caller_who_leaves_ends_a_unary_call_at_the_service() {
    let edge = Harness::start().await;
    let mut catalog = edge.catalog().await;
    let call = tokio::spawn(async move {
        let ids = vec!["never".to_owned()];
        let _left = catalog
            .batch_get_products(BatchGetProductsRequest { ids })
            .await;
    });
    until("the service is asked", async || {
        edge.shop.watchers.load(SeqCst) == 1
    })
    .await;
    call.abort();
    until("nobody waits at the service", async || {
        edge.shop.watchers.load(SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn a_unary_request_passes_whatever_its_length() {
    let edge = Harness::start().await;
    let mut catalog = edge.catalog().await;
    // Around what is read at once, and what is kept of a body.
    for length in [0, 1, 16_000, 32_700, 32_800, 65_500, 65_600, 200_000] {
        let ids = vec!["x".repeat(length)];
        let answer = catalog
            .batch_get_products(BatchGetProductsRequest { ids: ids.clone() })
            .await
            .unwrap();
        assert_eq!(answer.into_inner().missing_ids, [length.to_string()]);
        let path = "/souk.catalog.v1.CatalogService/BatchGetProducts";
        let answer = edge
            .web()
            .call(path, &BatchGetProductsRequest { ids })
            .await;
        assert_eq!((answer.status, answer.grpc_status), (200, Some(0)));
    }
}

#[tokio::test]
async fn a_unary_request_passes_whole() {
    let edge = Harness::start().await;
    let request = BatchGetProductsRequest {
        ids: vec!["x".repeat(1 << 20), "y".repeat(1 << 20)],
    };
    let answer = edge
        .catalog()
        .await
        .batch_get_products(Request::new(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.missing_ids, [(2 << 20).to_string()]);
}
