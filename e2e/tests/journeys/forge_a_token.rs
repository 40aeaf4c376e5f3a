//! Tokens that are not what they seem.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use e2e::{
    journey,
    person::signed_in,
    shop::Shop,
    wire::{PROTOCOLS, Protocol},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proto::souk::identity::v1::{
    GetProfileRequest, LogOutRequest, RefreshTokensRequest,
    identity_service_client::IdentityServiceClient,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// An Ed25519 key of our own, which the shop does not know: the private key
/// of RFC 8410, section 10.3.
const STRANGERS_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";

async fn profile(shop: &Shop, protocol: Protocol, token: &str) -> Result<(), Status> {
    let wire = signed_in(shop.wire(protocol), token);
    IdentityServiceClient::new(wire)
        .get_profile(GetProfileRequest {})
        .await
        .map(drop)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
}

fn encode(value: &Value) -> String {
    BASE64.encode(serde_json::to_vec(value).unwrap())
}

#[test]
fn only_true_tokens_open_doors() {
    journey(async {
        let shop = Shop::shared().await;
        let token = shop.customer(Protocol::Grpc).await.tokens.access_token;
        let (header, claims) = (part(&token, 0), part(&token, 1));
        let kid = header["kid"].as_str().unwrap().to_owned();
        let stranger = EncodingKey::from_ed_pem(STRANGERS_KEY.as_bytes()).unwrap();
        let signed_by_stranger = |claims: &Value, kid: Option<String>| {
            let header = Header {
                typ: Some("at+jwt".into()),
                kid,
                ..Header::new(Algorithm::EdDSA)
            };
            jsonwebtoken::encode(&header, claims, &stranger).unwrap()
        };
        let signature = token.rsplit('.').next().unwrap();
        let with = |name: &str, value: Value| {
            let mut changed = claims.clone();
            changed[name] = value;
            changed
        };
        let hmac = Header {
            typ: Some("at+jwt".into()),
            kid: Some(kid.clone()),
            ..Header::new(Algorithm::HS256)
        };

        let forged = [
            (
                "a stranger's signature",
                signed_by_stranger(&claims, Some(kid.clone())),
            ),
            (
                "a stranger's key",
                signed_by_stranger(&claims, Some("unknown".to_owned())),
            ),
            ("no key", signed_by_stranger(&claims, None)),
            (
                "expired",
                signed_by_stranger(&with("exp", json!(1)), Some(kid.clone())),
            ),
            (
                "expired, old signature",
                format!(
                    "{}.{}.{signature}",
                    encode(&header),
                    encode(&with("exp", json!(1)))
                ),
            ),
            (
                "wrong audience",
                signed_by_stranger(&with("aud", json!("elsewhere")), Some(kid.clone())),
            ),
            (
                "staff, old signature",
                format!(
                    "{}.{}.{signature}",
                    encode(&header),
                    encode(&with("roles", json!(["staff"])))
                ),
            ),
            (
                "alg none",
                format!(
                    "{}.{}.",
                    encode(&json!({"alg": "none", "typ": "at+jwt", "kid": kid})),
                    encode(&claims)
                ),
            ),
            (
                "alg none, signed",
                format!(
                    "{}.{}.{signature}",
                    encode(&json!({"alg": "none", "typ": "at+jwt", "kid": kid})),
                    encode(&claims)
                ),
            ),
            (
                "HMAC with the public key's name",
                jsonwebtoken::encode(&hmac, &claims, &EncodingKey::from_secret(kid.as_bytes()))
                    .unwrap(),
            ),
            (
                "no signature",
                token.rsplit_once('.').unwrap().0.to_owned() + ".",
            ),
            ("garbage", "garbage".to_owned()),
            ("empty", String::new()),
        ];
        for protocol in PROTOCOLS {
            profile(shop, protocol, &token)
                .await
                .expect("the true token is accepted");
            for (what, token) in &forged {
                let refusal = profile(shop, protocol, token).await.expect_err(what);
                assert_eq!(
                    refusal.code(),
                    Code::Unauthenticated,
                    "{what} by {protocol:?}"
                );
            }
        }
    });
}

#[test]
fn a_refresh_token_works_once_and_its_theft_ends_the_session() {
    journey(async {
        let shop = Shop::shared().await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        let old = customer.tokens.refresh_token.clone();
        let refresh = async |token: String| {
            customer
                .identity()
                .refresh_tokens(RefreshTokensRequest {
                    refresh_token: token,
                })
                .await
        };

        let new = refresh(old.clone())
            .await
            .unwrap()
            .into_inner()
            .tokens
            .unwrap();
        assert_ne!(new.refresh_token, old);
        assert_eq!(
            refresh(old).await.unwrap_err().code(),
            Code::Unauthenticated
        );
        assert_eq!(
            refresh(new.refresh_token).await.unwrap_err().code(),
            Code::Unauthenticated,
            "the whole family is dead"
        );
        e2e::wait::eventually("the session's access tokens to stop working", async || {
            profile(shop, Protocol::GrpcWeb, &new.access_token)
                .await
                .is_err()
                .then_some(())
        })
        .await;
    });
}

#[test]
fn who_logs_out_is_out_within_a_second() {
    journey(async {
        let shop = Shop::shared().await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        profile(shop, Protocol::GrpcWeb, &customer.tokens.access_token)
            .await
            .unwrap();

        customer.identity().log_out(LogOutRequest {}).await.unwrap();
        e2e::wait::within(
            std::time::Duration::from_secs(5),
            "the edge to hear of it",
            async || {
                let refusal = profile(shop, Protocol::GrpcWeb, &customer.tokens.access_token)
                    .await
                    .err()?;
                (refusal.code() == Code::Unauthenticated).then_some(())
            },
        )
        .await;
    });
}
