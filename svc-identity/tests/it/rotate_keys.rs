//! Signing keys and the key set.

use std::time::Duration;

use jsonwebtoken::{Algorithm, decode_header};
use sqlx::PgPool;
use svc_identity::{
    access_token::ACCESS_TOKEN_LIFE,
    jobs::rotate_keys::rotate_keys,
    jwks,
    signing_key::{LEEWAY, PUBLISHED_AHEAD, SIGNS_FOR},
};
use svc_kit::auth::AuthError;

use crate::harness::{Harness, PASSWORD, verifier};

const SECOND: Duration = Duration::from_secs(1);

fn kid(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

async fn published(identity: &Harness) -> usize {
    rotate_keys(&identity.app).await.unwrap();
    identity.app.keyring.keys().len()
}

#[sqlx::test(migrations = false)]
async fn a_token_says_what_it_must(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;

    let header = decode_header(&ada.tokens.access_token).unwrap();
    assert_eq!(header.alg, Algorithm::EdDSA);
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let claims = identity.claims(&ada.tokens).await;
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("souk", "souk"));
    assert_eq!(claims.iat, identity.clock.now().timestamp());
    assert_eq!(claims.nbf, claims.iat);
    assert_eq!(claims.exp - claims.iat, 15 * 60);
}

#[sqlx::test(migrations = false)]
async fn a_token_dies_after_its_time(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;

    identity.clock.advance(ACCESS_TOKEN_LIFE + LEEWAY);

    let outcome = identity.verifier.verify(&ada.tokens.access_token).await;
    assert_eq!(outcome.unwrap_err(), AuthError::Expired);
}

#[sqlx::test(migrations = false)]
async fn replicas_that_start_at_once_share_one_key(pool: PgPool) {
    let identity = Harness::new(pool.clone()).await;
    sqlx::query("DELETE FROM signing_keys")
        .execute(&pool)
        .await
        .unwrap();
    let (one, other) = (identity.replica().await, identity.replica().await);

    let (first, second) = tokio::join!(rotate_keys(&one), rotate_keys(&other));

    first.unwrap();
    second.unwrap();
    assert_eq!(one.keyring.keys().len(), 1);
    assert_eq!(one.keyring.jwks(), other.keyring.jwks());
}

#[sqlx::test(migrations = false)]
async fn a_key_is_published_before_it_signs_and_after_it_stopped(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let first = kid(&ada.tokens.access_token);
    let log_in = async || {
        let answer = identity.log_in(&ada.email, PASSWORD).await.unwrap();
        answer.tokens.unwrap().access_token
    };
    assert_eq!(published(&identity).await, 1);

    identity
        .clock
        .advance(SIGNS_FOR.saturating_sub(PUBLISHED_AHEAD));
    assert_eq!(published(&identity).await, 2);
    let last_of_first = log_in().await;
    assert_eq!(kid(&last_of_first), first);

    identity.clock.advance(PUBLISHED_AHEAD);
    assert_eq!(published(&identity).await, 2);
    let second = log_in().await;
    assert_ne!(kid(&second), first);
    let verifier = verifier(&identity.app, &identity.clock).await;
    assert!(verifier.verify(&second).await.is_ok());

    identity.clock.advance(ACCESS_TOKEN_LIFE + LEEWAY);
    assert_eq!(published(&identity).await, 1);
    assert_eq!(
        identity.outbox().await,
        [
            "souk.identity.account_registered.v1",
            "souk.identity.signing_key_changed.v1",
            "souk.identity.signing_key_changed.v1"
        ]
    );
}

#[sqlx::test(migrations = false)]
async fn a_token_of_the_old_key_works_to_its_end(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    identity
        .clock
        .advance(SIGNS_FOR.saturating_sub(PUBLISHED_AHEAD));
    rotate_keys(&identity.app).await.unwrap();
    identity
        .clock
        .advance(PUBLISHED_AHEAD.saturating_sub(SECOND));
    let old = identity.log_in(&ada.email, PASSWORD).await.unwrap();
    let old = old.tokens.unwrap().access_token;

    identity
        .clock
        .advance(ACCESS_TOKEN_LIFE.saturating_sub(SECOND));
    rotate_keys(&identity.app).await.unwrap();

    let verifier = verifier(&identity.app, &identity.clock).await;
    assert!(verifier.verify(&old).await.is_ok());
    let new = identity.log_in(&ada.email, PASSWORD).await.unwrap();
    let new = new.tokens.unwrap().access_token;
    assert_ne!(kid(&new), kid(&old));
    assert!(verifier.verify(&new).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn the_key_set_holds_public_halves_and_may_be_kept(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), jwks::PATH);
    let router = jwks::router(identity.app.keyring.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let response = reqwest::get(url).await.unwrap();

    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    assert_eq!(response.headers()["content-type"], "application/json");
    let set: serde_json::Value = response.json().await.unwrap();
    let key = set["keys"][0].as_object().unwrap();
    assert_eq!(key["kty"], "OKP");
    assert_eq!(key["crv"], "Ed25519");
    assert!(!key.contains_key("d"), "the private half");
}
