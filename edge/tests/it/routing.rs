//! Which requests get through, and what the others are told.

use http::Request;
use http_body_util::Full;
use proto::souk::{
    catalog::v1::{GetProductRequest, Product},
    payment::v1::{LookUpPaymentRequest, payment_service_client::PaymentServiceClient},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, client::Grpc};
use tonic_types::StatusExt as _;

use crate::support::{Harness, product_id, read, send};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

#[tokio::test]
async fn an_open_method_is_reached_in_every_protocol() {
    let edge = Harness::start().await;
    let (native, web, text) = (product_id(), product_id(), product_id());
    let (product, _) = read(&mut edge.catalog().await, &native).await;
    assert_eq!(product.id, native);
    for (caller, id) in [(edge.web(), &web), (edge.web().into_text(), &text)] {
        let answer = caller
            .call(GET_PRODUCT, &GetProductRequest { id: id.clone() })
            .await;
        assert_eq!(&answer.message::<Product>().id, id);
        assert!(
            answer
                .header("content-type")
                .starts_with("application/grpc-web")
        );
    }
    for id in [native, web, text] {
        assert_eq!(edge.shop.calls(&id), 1);
    }
}

/// Paths that only look as if they led somewhere.
const CLOSED: [&str; 7] = [
    "/souk.payment.v1.PaymentService/LookUpPayment",
    "/souk.catalog.v1.CatalogService/DropEverything",
    "/souk.nothing.v1.NothingService/Get",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/",
    "/.well-known",
];

#[tokio::test]
async fn what_is_internal_or_unknown_is_unimplemented_without_touching_a_service() {
    let edge = Harness::start().await;
    for path in CLOSED {
        let mut client = Grpc::new(edge.channel().await);
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetProductRequest, Product>::default();
        let refused = client
            .unary(
                tonic::Request::new(GetProductRequest::default()),
                path.parse().unwrap(),
                codec,
            )
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
        let info = refused.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("METHOD_UNKNOWN", "souk")
        );

        let answer = edge.web().call(path, &GetProductRequest::default()).await;
        assert_eq!(
            (answer.status, answer.grpc_status),
            (200, Some(12)),
            "{path}"
        );
    }
    let refused = PaymentServiceClient::new(edge.channel().await)
        .look_up_payment(LookUpPaymentRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(edge.shop.all_calls(), 0);
}

/// A signature holds for the bytes as they were signed.
#[tokio::test]
async fn a_webhook_passes_byte_for_byte() {
    let edge = Harness::start().await;
    let bytes = b"{ \"id\":\t\"evt_1\" }\r\n\xff\x00";
    let request = Request::builder()
        .method("POST")
        .uri(format!("http://{}/webhooks/stripe", edge.edge))
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", "t=1,v1=00,v1=01")
        .body(Full::from(&bytes[..]))
        .unwrap();
    let answer = send(request).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("heard"), "t=1,v1=00,v1=01");
    assert_eq!(answer.body, bytes[..]);
}

#[tokio::test]
async fn plain_http_goes_by_its_own_table() {
    let edge = Harness::start().await;
    let keys = edge.http("GET", "/.well-known/jwks.json").await;
    assert_eq!(keys.status, 200);
    assert_eq!(keys.json()["keys"][0]["kty"], "OKP");
    assert_eq!(keys.header("x-content-type-options"), "nosniff");

    for (method, path, status, reason) in [
        ("GET", "/webhooks/stripe", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/nothing?token=secret", 404, "ROUTE_UNKNOWN"),
        ("GET", "/.well-known/../metrics", 404, "ROUTE_UNKNOWN"),
        ("POST", "/.well-known/jwks.json", 405, "METHOD_NOT_ALLOWED"),
        (
            "DELETE",
            "/.well-known/jwks.json",
            405,
            "METHOD_NOT_ALLOWED",
        ),
        ("GET", GET_PRODUCT, 405, "METHOD_NOT_ALLOWED"),
        ("POST", GET_PRODUCT, 415, "MEDIA_TYPE_UNSUPPORTED"),
    ] {
        let answer = edge.http(method, path).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["reason"], reason);
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32);
        assert_eq!(answer.header("allow").is_empty(), status != 405);
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let edge = Harness::start().await;
    let mut stream = TcpStream::connect(edge.edge).await.unwrap();
    stream
        .write_all(b"GET /.well-known/jwks.json HTTP/1.1\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("HOST_MISSING"), "{answer}");
}

#[tokio::test]
async fn native_grpc_over_http_1_is_told_that_it_cannot_work() {
    let edge = Harness::start().await;
    let request = Request::post(format!("http://{}{GET_PRODUCT}", edge.edge))
        .header("content-type", "application/grpc")
        .body(Full::from(edge::frame::data(b"")))
        .unwrap();
    let answer = send(request).await.unwrap();
    assert_eq!(answer.header("grpc-status"), "12");
    assert_eq!(edge.shop.all_calls(), 0);
}

#[tokio::test]
async fn callers_cannot_speak_as_a_service_or_as_a_proxy() {
    let edge = Harness::start().await;
    let forged = edge
        .web()
        .with("souk-internal", "secret")
        .with("souk-caller", "staff")
        .with("x-forwarded-for", "6.6.6.6")
        .with("x-forwarded-proto", "https")
        .with("forwarded", "for=6.6.6.6")
        .with("x-real-ip", "6.6.6.6");
    let log_in = "/souk.identity.v1.IdentityService/LogIn";
    let message = proto::souk::identity::v1::LogInRequest::default();
    assert_eq!(forged.call(log_in, &message).await.grpc_status, Some(0));
    let saw = |name| edge.shop.saw(name);
    for name in ["souk-internal", "souk-caller", "forwarded", "x-real-ip"] {
        assert_eq!(saw(name), None, "{name}");
    }
    assert_eq!(saw("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(saw("x-forwarded-proto").unwrap(), "http");
    assert_eq!(saw("te").unwrap(), "trailers");
}

#[tokio::test]
async fn a_proxy_that_is_trusted_may_name_the_caller() {
    let edge = Harness::with(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let proxied = edge.web().with("x-forwarded-for", "6.6.6.6, 203.0.113.9");
    let log_in = "/souk.identity.v1.IdentityService/LogIn";
    let message = proto::souk::identity::v1::LogInRequest::default();
    proxied.call(log_in, &message).await;
    assert_eq!(
        edge.shop.saw("x-forwarded-for").unwrap(),
        "203.0.113.9, 127.0.0.1"
    );
}

#[tokio::test]
async fn a_trace_goes_on_through_the_edge_and_is_told_to_the_caller() {
    let edge = Harness::start().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traced = edge
        .web()
        .with("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"));
    let id = product_id();
    let answer = traced.call(GET_PRODUCT, &GetProductRequest { id }).await;
    assert!(answer.header("traceresponse").contains(trace));
    let passed = edge.shop.saw("traceparent").unwrap();
    assert!(passed.contains(trace), "{passed}");
    assert!(!passed.contains("b7ad6b7169203331"), "{passed}");

    let answer = edge.http("GET", "/nothing").await;
    assert!(answer.header("traceresponse").starts_with("00-"));
}

#[tokio::test]
async fn a_content_type_is_read_as_a_media_type() {
    let edge = Harness::start().await;
    // One method that passes through, one that is answered from the cache.
    let batch = "/souk.catalog.v1.CatalogService/BatchGetProducts";
    let call = async |path: &str, kind: &str| {
        let request = Request::post(format!("http://{}{path}", edge.edge))
            .header("content-type", kind)
            .body(Full::from(edge::frame::data(b"")))
            .unwrap();
        send(request).await.unwrap()
    };
    for path in [batch, GET_PRODUCT] {
        for kind in [
            "application/grpc-web+proto; charset=utf-8",
            "APPLICATION/GRPC-WEB+PROTO",
            "Application/grpc-web",
        ] {
            let answer = call(path, kind).await;
            assert_eq!(answer.status, 200, "{kind}");
            assert_eq!(
                answer.header("content-type"),
                "application/grpc-web+proto",
                "{kind}"
            );
            let body = String::from_utf8_lossy(&answer.body);
            let told = body.contains("grpc-status:0") || answer.header("grpc-status") == "0";
            assert!(told, "{path} {kind}: {body:?}");
        }
        for kind in ["application/grpc-web+json", "application/grpc+json"] {
            let answer = call(path, kind).await;
            assert_eq!(answer.status, 415, "{kind}");
            assert_eq!(answer.json()["reason"], "MEDIA_TYPE_UNSUPPORTED");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_badly_chunked_is_the_caller_s_fault() {
    let edge = Harness::start().await;
    for path in [
        GET_PRODUCT,
        "/souk.catalog.v1.CatalogService/BatchGetProducts",
    ] {
        let mut stream = TcpStream::connect(edge.edge).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc-web+proto\r\n\
             transfer-encoding: chunked\r\n\r\nZZ\r\nabc\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.to_lowercase().contains("grpc-status: 3\r\n"),
            "{answer}"
        );
        assert!(answer.contains("malformed"), "{answer}");
    }
    assert_eq!(edge.shop.all_calls(), 0);
}

#[tokio::test]
async fn what_is_not_well_known_is_not_found() {
    let edge = Harness::start().await;
    let get = async |kind: Option<&str>, path: &str| {
        let mut request = Request::get(format!("http://{}{path}", edge.edge));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        send(request.body(Full::default()).unwrap()).await.unwrap()
    };
    for kind in [None, Some("application/grpc-web+proto")] {
        let answer = get(kind, "/.well-known/x").await;
        assert_eq!(answer.status, 404, "{kind:?}");
        assert_eq!(answer.json()["reason"], "ROUTE_UNKNOWN");
        let answer = get(kind, GET_PRODUCT).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    }
}
