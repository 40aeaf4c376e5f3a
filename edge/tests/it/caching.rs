//! Reads that are answered from the cache.

use std::time::Duration;

use bytes::Bytes;
use edge::frame;
use prost::Message as _;
use proto::souk::catalog::v1::{
    GetProductRequest, Product, SearchProductsRequest, catalog_service_client::CatalogServiceClient,
};
use tokio::task::JoinSet;
use tonic::{Code, transport::Channel};

use crate::support::{
    Harness, cache_status, grpc_web::GrpcWeb, product_id, read, tokens::bearing, until,
};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

#[tokio::test]
async fn a_second_read_comes_from_the_cache_whatever_the_protocol() {
    let edge = Harness::start().await;
    let id = product_id();
    let (first, status) = read(&mut edge.catalog().await, &id).await;
    assert_eq!(status, "souk; fwd=miss; stored");
    let (second, status) = read(&mut edge.catalog().await, &id).await;
    assert!(status.starts_with("souk; hit; ttl=59"), "{status}");
    assert_eq!(first, second);
    for caller in [edge.web(), edge.web().into_text()] {
        let answer = caller
            .call(GET_PRODUCT, &GetProductRequest { id: id.clone() })
            .await;
        assert!(answer.header("cache-status").starts_with("souk; hit"));
        assert_eq!(answer.message::<Product>(), first);
    }
    assert_eq!(edge.shop.calls(&id), 1);

    let metrics = edge.metrics().await;
    let hits = metrics
        .lines()
        .find(|line| {
            line.starts_with("edge_requests_total")
                && line.contains("cache=\"hit\"")
                && line.contains(GET_PRODUCT)
        })
        .unwrap_or_else(|| panic!("hits are counted: {metrics}"));
    assert!(!hits.ends_with(" 0"));
}

#[tokio::test]
async fn what_a_browser_asked_first_serves_native_callers() {
    let edge = Harness::start().await;
    let id = product_id();
    edge.web()
        .call(GET_PRODUCT, &GetProductRequest { id: id.clone() })
        .await;
    let (product, status) = read(&mut edge.catalog().await, &id).await;
    assert!(status.starts_with("souk; hit"), "{status}");
    assert_eq!(product.id, id);
    assert_eq!(edge.shop.calls(&id), 1);
}

/// Callers who ask for the same at once.
const CROWD: usize = 1000;
/// How many of them share a connection of native gRPC.
const CROWD_ON_ONE: usize = 100;
/// How long the last of them may come after the first: the service's answer
/// must be there within two seconds.
const CROWD_GATHERS_WITHIN: Duration = Duration::from_millis(500);

/// Asks natively or as a browser, again when the time of the call was too
/// short for this machine; the answer and what the cache said.
async fn ask(
    mut catalog: CatalogServiceClient<Channel>,
    web: GrpcWeb,
    native: bool,
    id: String,
) -> (Product, String) {
    let request = GetProductRequest { id };
    loop {
        if native {
            match catalog.get_product(request.clone()).await {
                Ok(answer) => {
                    let status = cache_status(answer.metadata()).to_owned();
                    return (answer.into_inner(), status);
                }
                Err(error) => assert_eq!(error.code(), Code::DeadlineExceeded),
            }
        } else {
            let answer = web.call(GET_PRODUCT, &request).await;
            if answer.grpc_status != Some(Code::DeadlineExceeded as i32) {
                let status = answer.header("cache-status").to_owned();
                return (answer.message(), status);
            }
        }
    }
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_cost_one_call() {
    let edge = Harness::with(&["--rate-read-per-minute", "1000000"]).await;
    let id = format!("gated-{}", product_id());
    let web = edge.web();
    let mut callers = JoinSet::new();
    for _ in 0..CROWD / CROWD_ON_ONE {
        let catalog = edge.catalog().await;
        for n in 0..CROWD_ON_ONE {
            callers.spawn(ask(catalog.clone(), web.clone(), n % 2 == 0, id.clone()));
        }
    }
    until("the service is asked", async || edge.shop.calls(&id) > 0).await;
    // All of them, or as many as are quick enough: whoever comes later hits.
    let all_there = until("all are there", async || {
        in_flight(&edge.metrics().await) >= CROWD
    });
    let _ = tokio::time::timeout(CROWD_GATHERS_WITHIN, all_there).await;
    edge.shop.gate.add_permits(CROWD);
    let answers = callers.join_all().await;
    assert!(answers.iter().all(|(product, _)| product.id == id));
    assert_eq!(edge.shop.calls(&id), 1);
    let count = |what: &str| answers.iter().filter(|(_, said)| said == what).count();
    let stored = count("souk; fwd=miss; stored");
    let collapsed = count("souk; fwd=miss; stored; collapsed");
    println!(
        "{CROWD} callers, one call: {collapsed} waited for it, {} came after it",
        CROWD - stored - collapsed
    );
    assert!(stored <= 1, "at most the one who began it");
    assert!(collapsed > 0, "some waited");
}

fn in_flight(metrics: &str) -> usize {
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("edge_requests_in_flight "));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_take_the_answer_from_the_others() {
    let edge = Harness::start().await;
    let id = format!("gated-{}", product_id());
    let request = GetProductRequest { id: id.clone() };
    let mut catalog = edge.catalog().await;
    let first = tokio::spawn({
        let (mut catalog, request) = (catalog.clone(), request.clone());
        async move { catalog.get_product(request).await }
    });
    until("the service is asked", async || edge.shop.calls(&id) == 1).await;
    first.abort();
    let second = async { read(&mut catalog, &id).await };
    let release = async {
        tokio::task::yield_now().await;
        edge.shop.gate.add_permits(1);
    };
    let ((product, _), ()) = tokio::join!(second, release);
    assert_eq!(product.id, id);
    assert_eq!(edge.shop.calls(&id), 1);
}

#[tokio::test]
async fn an_old_answer_is_served_while_a_new_one_is_fetched() {
    let edge = Harness::with_manual_clock(&[]).await;
    let id = product_id();
    edge.shop.set_title(&id, "old");
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &id).await;
    edge.shop.set_title(&id, "new");
    edge.clock.advance(Duration::from_secs(599));
    assert_eq!(read(&mut catalog, &id).await.0.title, "old");
    edge.clock.advance(Duration::from_secs(2));
    let (product, status) = read(&mut catalog, &id).await;
    assert_eq!(
        (product.title.as_str(), status.as_str()),
        ("old", "souk; hit; ttl=-1")
    );
    until("the new one is there", async || {
        read(&mut edge.catalog().await, &id).await.0.title == "new"
    })
    .await;
    assert_eq!(edge.shop.calls(&id), 2);
}

#[tokio::test]
async fn a_very_old_answer_is_served_only_when_the_service_fails() {
    let edge = Harness::with_manual_clock(&[]).await;
    let id = product_id();
    edge.shop.set_title(&id, "old");
    let mut catalog = edge.catalog().await;
    read(&mut catalog, &id).await;
    edge.shop.set_title(&id, "new");
    edge.clock.advance(Duration::from_secs(600 + 1000));
    // An answer that is no is an answer.
    for no in [
        Code::NotFound,
        Code::PermissionDenied,
        Code::FailedPrecondition,
    ] {
        edge.shop.fail_with(Some(no));
        let request = GetProductRequest { id: id.clone() };
        let error = catalog.get_product(request).await.unwrap_err();
        assert_eq!(error.code(), no);
        assert_eq!(cache_status(error.metadata()), "souk; fwd=stale", "{no:?}");
    }
    for failure in [
        Code::Unavailable,
        Code::Internal,
        Code::DeadlineExceeded,
        Code::Unknown,
    ] {
        edge.shop.fail_with(Some(failure));
        let (product, status) = read(&mut catalog, &id).await;
        assert_eq!(product.title, "old", "{failure:?}");
        assert_eq!(status, "souk; hit; ttl=-1000", "{failure:?}");
    }
    edge.shop.fail_with(None);
    let (product, status) = read(&mut catalog, &id).await;
    assert_eq!(
        (product.title.as_str(), status.as_str()),
        ("new", "souk; fwd=stale; stored")
    );
}

#[tokio::test]
async fn errors_are_never_kept() {
    let edge = Harness::start().await;
    let id = format!("missing-{}", product_id());
    for calls in 1..=2 {
        let request = GetProductRequest { id: id.clone() };
        let error = edge.catalog().await.get_product(request).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(cache_status(error.metadata()), "souk; fwd=miss");
        assert_eq!(edge.shop.calls(&id), calls);
    }
}

#[tokio::test]
async fn a_token_makes_no_difference_to_a_public_read() {
    let edge = Harness::start().await;
    let id = product_id();
    let mut catalog = edge.catalog().await;
    let request = GetProductRequest { id: id.clone() };
    catalog
        .get_product(bearing("not even a token", request))
        .await
        .unwrap();
    assert_eq!(edge.shop.saw("authorization"), None);
    let (_, status) = read(&mut catalog, &id).await;
    assert!(status.starts_with("souk; hit"));
}

#[tokio::test]
async fn variants_of_one_question_are_one_entry() {
    let edge = Harness::start().await;
    let id = product_id();
    read(&mut edge.catalog().await, &id).await;
    let mut variant = GetProductRequest { id: id.clone() }.encode_to_vec();
    prost::encoding::string::encode(999, &"anything".to_owned(), &mut variant);
    let answer = edge.web().send(GET_PRODUCT, frame::data(&variant)).await;
    assert!(answer.header("cache-status").starts_with("souk; hit"));
    assert_eq!(edge.shop.calls(&id), 1);
}

#[tokio::test]
async fn what_is_no_message_of_the_method_is_refused_at_the_edge() {
    let edge = Harness::start().await;
    let bodies = [
        frame::data(b"\xff\xff\xff"),
        frame::data(b"\x0a\x05ab"),
        Bytes::from_static(b"\0\0"),
        Bytes::new(),
    ];
    for body in bodies {
        let answer = edge.web().send(GET_PRODUCT, body.clone()).await;
        assert_eq!(answer.grpc_status, Some(3), "{body:?}");
    }
    assert_eq!(edge.shop.all_calls(), 0);
}

#[tokio::test]
async fn a_long_question_passes_by_the_cache() {
    let edge = Harness::start().await;
    let request = SearchProductsRequest {
        query: "x".repeat(40_000),
        ..SearchProductsRequest::default()
    };
    for _ in 0..2 {
        let answer = edge
            .catalog()
            .await
            .search_products(request.clone())
            .await
            .unwrap();
        assert_eq!(cache_status(answer.metadata()), "souk; fwd=bypass");
        let path = "/souk.catalog.v1.CatalogService/SearchProducts";
        let answer = edge.web().call(path, &request).await;
        assert_eq!(answer.grpc_status, Some(0));
        assert_eq!(answer.header("cache-status"), "souk; fwd=bypass");
    }
    assert_eq!(edge.shop.calls("search"), 4);
}

#[tokio::test]
async fn a_large_answer_passes_whole_and_is_kept() {
    let edge = Harness::start().await;
    let id = format!("large-{}", product_id());
    let mut catalog = edge.catalog().await;
    for begins in ["souk; fwd=miss; stored", "souk; hit"] {
        let (product, status) = read(&mut catalog, &id).await;
        assert_eq!(product.description.len(), 1_000_000);
        assert!(status.starts_with(begins), "{status}");
        let answer = edge
            .web()
            .call(GET_PRODUCT, &GetProductRequest { id: id.clone() })
            .await;
        assert_eq!(answer.message::<Product>().description.len(), 1_000_000);
    }
}
