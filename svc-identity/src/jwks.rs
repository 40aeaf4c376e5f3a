//! `GET /.well-known/jwks.json`: the keys that verify access tokens.

use std::time::Duration;

use axum::{Json, Router, extract::State, http::header, response::IntoResponse, routing::get};

use crate::{jobs::rotate_keys, keyring::Keyring, signing_key::PUBLISHED_AHEAD};

/// Where the key set is found.
pub const PATH: &str = "/.well-known/jwks.json";

/// How long others may keep the key set.
pub const MAX_AGE: Duration = Duration::from_mins(5);

// A key that signs has been seen by everybody who keeps to MAX_AGE.
const _: () =
    assert!(MAX_AGE.as_secs() + 2 * rotate_keys::EVERY.as_secs() < PUBLISHED_AHEAD.as_secs());

/// The route.
pub fn router(keyring: Keyring) -> Router {
    Router::new().route(PATH, get(jwks)).with_state(keyring)
}

async fn jwks(State(keyring): State<Keyring>) -> impl IntoResponse {
    let fresh_for = format!("public, max-age={}", MAX_AGE.as_secs());
    ([(header::CACHE_CONTROL, fresh_for)], Json(keyring.jwks()))
}
