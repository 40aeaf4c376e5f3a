//! Who gets through.

use proto::souk::{catalog::v1::GetStockRequest, order::v1::GetCartRequest};
use svc_kit::auth::Claims;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::{
    Harness,
    tokens::{KEY, NEXT_KEY, bearing, claims, customer, sign, sign_as, staff, unsigned},
};

async fn cart(edge: &Harness, token: &str) -> Result<(), Status> {
    let mut order = edge.order().await;
    order.get_cart(bearing(token, GetCartRequest {})).await?;
    Ok(())
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn a_customer_s_method_takes_a_true_token() {
    let edge = Harness::start().await;
    cart(&edge, &customer(&edge.clock)).await.unwrap();
    assert_eq!(edge.shop.calls("get_cart"), 1);
}

#[tokio::test]
async fn every_other_token_is_refused_without_touching_a_service() {
    let edge = Harness::start().await;
    let with = |change: fn(&mut Claims)| {
        let mut claims = claims(&edge.clock);
        change(&mut claims);
        sign(&claims)
    };
    let good = claims(&edge.clock);
    let stranger = sign_as(&good, NEXT_KEY, NEXT_KEY);
    let forged = sign_as(&good, NEXT_KEY, KEY);
    let mut changed = sign(&good);
    changed.replace_range(changed.len() - 4.., "AAAA");
    for (what, token, expected) in [
        (
            "expired",
            with(|claims| claims.exp -= 1000),
            "TOKEN_EXPIRED",
        ),
        (
            "not yet",
            with(|claims| claims.nbf += 1000),
            "TOKEN_INVALID",
        ),
        (
            "another issuer",
            with(|claims| claims.iss = "evil".to_owned()),
            "TOKEN_INVALID",
        ),
        (
            "another audience",
            with(|claims| claims.aud = "bank".to_owned()),
            "TOKEN_INVALID",
        ),
        ("alg none", unsigned(&good), "TOKEN_INVALID"),
        ("a key unknown", stranger, "TOKEN_INVALID"),
        ("another's signature", forged, "TOKEN_INVALID"),
        ("a signature cut", changed, "TOKEN_INVALID"),
        ("no token", "hello".to_owned(), "TOKEN_INVALID"),
    ] {
        let refused = cart(&edge, &token).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{what}");
        assert_eq!(reason(&refused), expected, "{what}");
    }
    let refused = edge
        .order()
        .await
        .get_cart(Request::new(GetCartRequest {}))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "TOKEN_MISSING");
    assert_eq!(edge.shop.all_calls(), 0);
}

#[tokio::test]
async fn a_browser_hears_of_a_refusal_in_its_own_protocol() {
    let edge = Harness::start().await;
    let answer = edge
        .web()
        .call("/souk.order.v1.OrderService/GetCart", &GetCartRequest {})
        .await;
    assert_eq!((answer.status, answer.grpc_status), (200, Some(16)));
    assert!(answer.messages.is_empty());
    let status = Status::from_header_map(&answer.headers).unwrap();
    assert_eq!(reason(&status), "TOKEN_MISSING");
}

#[tokio::test]
async fn a_method_of_the_staff_is_not_for_customers() {
    let edge = Harness::start().await;
    let stock = async |token: String| {
        let request = bearing(&token, GetStockRequest::default());
        edge.catalog().await.get_stock(request).await
    };
    let refused = stock(customer(&edge.clock)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(reason(&refused), "ROLE_MISSING");
    assert_eq!(edge.shop.all_calls(), 0);
    stock(staff(&edge.clock)).await.unwrap();
}

#[tokio::test]
async fn a_key_that_came_up_since_is_fetched_once_it_is_named() {
    let edge = Harness::start().await;
    cart(&edge, &customer(&edge.clock)).await.unwrap();
    edge.shop.keys.lock().unwrap().push(NEXT_KEY);
    let token = sign_as(&claims(&edge.clock), NEXT_KEY, NEXT_KEY);
    // Not more often than every two seconds, whoever names what key.
    crate::support::until("the new key is known", async || {
        cart(&edge, &token).await.is_ok()
    })
    .await;
}
