//! Scripts of other origins.

use http::Request;
use http_body_util::Full;
use proto::souk::{catalog::v1::GetProductRequest, order::v1::GetCartRequest};

use crate::support::{Answer, Harness, product_id, send};

const SHOP: &str = "https://shop.example";
const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

async fn preflight(edge: &Harness, origin: &str) -> Answer {
    let request = Request::options(format!("http://{}{GET_PRODUCT}", edge.edge))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-grpc-web")
        .body(Full::default())
        .unwrap();
    send(request).await.unwrap()
}

#[tokio::test]
async fn a_known_origin_is_let_in() {
    let edge = Harness::with(&[
        "--allowed-origins",
        "https://other.example,https://shop.example",
    ])
    .await;
    let answer = preflight(&edge, SHOP).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), SHOP);
    let allowed = answer.header("access-control-allow-headers");
    for header in [
        "authorization",
        "content-type",
        "x-grpc-web",
        "grpc-timeout",
    ] {
        assert!(allowed.contains(header), "{header}");
    }
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("POST")
    );
    assert_eq!(answer.header("vary"), "origin");
    assert_eq!(edge.shop.all_calls(), 0);

    let browser = edge.web().with("origin", SHOP);
    let request = GetProductRequest { id: product_id() };
    let read = "an answer, a kept answer";
    for what in read.split(", ") {
        let answer = browser.call(GET_PRODUCT, &request).await;
        assert_eq!(answer.header("access-control-allow-origin"), SHOP, "{what}");
        let exposed = answer.header("access-control-expose-headers");
        for header in [
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "cache-status",
        ] {
            assert!(exposed.contains(header), "{what}: {header}");
        }
    }
    // A script must be able to read why it is refused.
    let path = "/souk.order.v1.OrderService/GetCart";
    let refused = browser.call(path, &GetCartRequest {}).await;
    assert_eq!(refused.grpc_status, Some(16));
    assert_eq!(refused.header("access-control-allow-origin"), SHOP);
}

#[tokio::test]
async fn another_origin_is_told_nothing() {
    let edge = Harness::with(&["--allowed-origins", SHOP]).await;
    for origin in ["https://evil.example", "null", "http://shop.example"] {
        let answer = preflight(&edge, origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(
            answer.header("access-control-allow-methods"),
            "",
            "{origin}"
        );
        assert_eq!(answer.header("vary"), "origin");
        let request = GetProductRequest { id: product_id() };
        let browser = edge.web().with("origin", origin);
        let answer = browser.call(GET_PRODUCT, &request).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
}
