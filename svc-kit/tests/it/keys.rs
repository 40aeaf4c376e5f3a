//! Where the keys that verify tokens come from, and how often they are asked
//! for.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use svc_kit::{
    auth::{AuthError, Verifier},
    clock::Clock,
    metrics,
};
use tokio::task::JoinSet;

use crate::support::{
    issuer::{Issuer, claims, jwk, jwks, sign, signing_key},
    until,
};

async fn good(verifier: &Verifier, key: &str) -> Result<(), AuthError> {
    let clock = Clock::system();
    verifier.verify(&sign(&claims(&clock), key)).await.map(drop)
}

#[tokio::test]
async fn many_who_miss_the_same_key_ask_once() {
    let issuer = Issuer::publishing(&jwks(&["a"])).await;
    let verifier = issuer.verifier(&Clock::system());
    let held = issuer.hold().await;
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        let verifier = verifier.clone();
        callers.spawn(async move { good(&verifier, "a").await });
    }
    until("one asks", || async { issuer.asked() == 1 }).await;
    drop(held);
    while let Some(outcome) = callers.join_next().await {
        assert_eq!(outcome.unwrap(), Ok(()));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn forged_key_ids_do_not_make_us_ask_without_end() {
    let issuer = Issuer::publishing(&jwks(&["a"])).await;
    let verifier = issuer.verifier(&Clock::system());
    good(&verifier, "a").await.unwrap();
    let mut callers = JoinSet::new();
    for n in 0..200 {
        let verifier = verifier.clone();
        callers.spawn(async move { good(&verifier, &format!("forged-{n}")).await });
    }
    while let Some(outcome) = callers.join_next().await {
        assert_eq!(outcome.unwrap(), Err(AuthError::Invalid));
    }
    // All within the floor of two seconds, but for a machine that stands still.
    assert!(issuer.asked() <= 2, "asked {} times", issuer.asked());
}

#[tokio::test]
async fn who_waits_for_an_issuer_that_hangs_does_not_ask_again() {
    let issuer = Issuer::publishing(&jwks(&["a"])).await;
    let verifier = issuer.verifier(&Clock::system());
    good(&verifier, "a").await.unwrap();
    let _held = issuer.hold().await;
    // Until it may be asked again, and hangs.
    let first = tokio::spawn({
        let verifier = verifier.clone();
        async move {
            while good(&verifier, "forged").await == Err(AuthError::Invalid) {
                tokio::task::yield_now().await;
            }
        }
    });
    until("it is asked", || async { issuer.asked() == 2 }).await;
    let mut callers = JoinSet::new();
    for n in 0..50 {
        let verifier = verifier.clone();
        callers.spawn(async move { good(&verifier, &format!("forged-{n}")).await });
    }
    while let Some(outcome) = callers.join_next().await {
        assert_eq!(outcome.unwrap(), Err(AuthError::Invalid));
    }
    // Fifty fetches in a row would take two seconds each.
    assert!(issuer.asked() <= 3, "asked {} times", issuer.asked());
    first.abort();
}

#[tokio::test]
async fn tokens_of_known_keys_do_not_wait_for_a_fetch() {
    let issuer = Issuer::publishing(&jwks(&["a"])).await;
    let verifier = issuer.verifier(&Clock::system());
    good(&verifier, "a").await.unwrap();
    let _held = issuer.hold().await;
    let refresh = tokio::spawn({
        let verifier = verifier.clone();
        async move { verifier.refresh().await }
    });
    until("it is asked", || async { issuer.asked() == 2 }).await;
    good(&verifier, "a").await.unwrap();
    assert!(!refresh.is_finished());
}

#[tokio::test]
async fn keys_overlap_and_one_that_is_gone_verifies_nothing_not_even_what_it_had() {
    let issuer = Issuer::publishing(&jwks(&["old"])).await;
    let clock = Clock::system();
    let verifier = issuer.verifier(&clock);
    let token = sign(&claims(&clock), "old");
    verifier.verify(&token).await.unwrap();

    issuer.publish(&jwks(&["old", "new"]));
    verifier.refresh().await;
    verifier.verify(&token).await.unwrap();
    good(&verifier, "new").await.unwrap();

    issuer.publish(&jwks(&["new"]));
    verifier.refresh().await;
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Invalid));
    good(&verifier, "new").await.unwrap();

    // The same id, but not the same key.
    let mut renamed = jwk("other");
    renamed["kid"] = json!("new");
    let token = sign(&claims(&clock), "new");
    verifier.verify(&token).await.unwrap();
    issuer.publish(&json!({ "keys": [renamed] }));
    verifier.refresh().await;
    assert_eq!(verifier.verify(&token).await, Err(AuthError::Invalid));
}

#[tokio::test]
async fn the_last_good_keys_stay_when_the_issuer_is_away_or_talks_nonsense() {
    let issuer = Issuer::publishing(&jwks(&["a"])).await;
    let verifier = issuer.verifier(&Clock::system());
    good(&verifier, "a").await.unwrap();
    let huge = json!({ "keys": [jwk("b")], "padding": "x".repeat(70_000) }).to_string();
    for (status, body) in [
        (StatusCode::SERVICE_UNAVAILABLE, jwks(&["b"]).to_string()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, jwks(&[]).to_string()),
        (StatusCode::OK, huge),
    ] {
        issuer.say(status, &body);
        verifier.refresh().await;
        good(&verifier, "a").await.unwrap();
        assert_eq!(good(&verifier, "b").await, Err(AuthError::Invalid));
    }
    let before = metrics::text();
    assert!(before.contains("auth_keys_fetched_timestamp_seconds 1"));
    assert!(before.contains("auth_key_fetches_total{outcome=\"failed\"}"));
}

#[tokio::test]
async fn without_any_key_a_token_is_neither_good_nor_bad() {
    let issuer = Issuer::publishing(&jwks(&[])).await;
    let verifier = issuer.verifier(&Clock::system());
    assert_eq!(good(&verifier, "a").await, Err(AuthError::KeysUnavailable));
}

/// Whether a token that is good by the key "a" passes when this is published.
async fn passes(set: &Value) -> bool {
    let issuer = Issuer::publishing(set).await;
    let verifier = issuer.verifier(&Clock::system());
    good(&verifier, "a").await.is_ok()
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut key = jwk("a");
    change(&mut key);
    json!({ "keys": [key] })
}

#[tokio::test]
async fn only_a_key_for_our_signatures_verifies() {
    for (what, set) in [
        ("as it is", jwks(&["a"])),
        ("no alg", with(|key| key["alg"] = Value::Null)),
        ("no use", with(|key| key["use"] = Value::Null)),
        (
            "for verifying",
            with(|key| key["key_ops"] = json!(["verify"])),
        ),
        (
            "among keys of other kinds",
            json!({ "keys": [
                jwk("a"),
                { "kty": "RSA", "kid": "r", "use": "sig", "n": "AQAB", "e": "AQAB" },
                { "kty": "NEW", "kid": "n", "what": { "ever": 1 } },
            ]}),
        ),
    ] {
        assert!(passes(&set).await, "{what}");
    }
    for (what, set) in [
        ("for encryption", with(|key| key["use"] = json!("enc"))),
        (
            "for signing alone",
            with(|key| key["key_ops"] = json!(["sign"])),
        ),
        (
            "of another algorithm",
            with(|key| key["alg"] = json!("ES256")),
        ),
        ("of another curve", with(|key| key["crv"] = json!("Ed448"))),
        ("for agreement", with(|key| key["crv"] = json!("X25519"))),
        ("of another kind", with(|key| key["kty"] = json!("EC"))),
        ("without a name", with(|key| key["kid"] = Value::Null)),
        (
            "twice the same name",
            json!({ "keys": [jwk("a"), jwk("a")] }),
        ),
        ("with its secret", with(|key| key["d"] = json!("AAAA"))),
        (
            "beside a shared secret",
            json!({ "keys": [
                jwk("a"),
                { "kty": "oct", "kid": "hmac", "k": "AAAA" },
            ]}),
        ),
        (
            "beside a broken one",
            json!({ "keys": [
                jwk("a"),
                { "kty": "OKP", "crv": "Ed25519", "kid": "b", "x": "AAAA" },
            ]}),
        ),
    ] {
        assert!(!passes(&set).await, "{what}");
    }
}

/// The points of order 1, 2, 4 and 8, and points in a second spelling:
/// coordinates of 2^255 - 19 and more.
const BAD_POINTS: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[tokio::test]
async fn a_weak_or_misspelt_point_is_no_key() {
    for point in BAD_POINTS {
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&point[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let x = URL_SAFE_NO_PAD.encode(bytes);
        assert!(!passes(&with(|key| key["x"] = json!(x))).await, "{point}");
    }
    let whole = *signing_key("a").verifying_key().as_bytes();
    for length in [0, 1, 31] {
        let x = URL_SAFE_NO_PAD.encode(&whole[..length]);
        assert!(!passes(&with(|key| key["x"] = json!(x))).await, "{length}");
    }
    let long = URL_SAFE_NO_PAD.encode([&whole[..], &[0]].concat());
    assert!(!passes(&with(|key| key["x"] = json!(long))).await);
}
