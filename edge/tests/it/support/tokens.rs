//! Access tokens, true and false.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use svc_kit::{auth::Claims, clock::Clock, id::AccountId};
use tonic::{Request, metadata::MetadataValue};
use uuid::Uuid;

/// The key that is published from the start.
pub(crate) const KEY: &str = "key-1";
/// A key that may be published later.
pub(crate) const NEXT_KEY: &str = "key-2";

fn signing_key(kid: &str) -> SigningKey {
    let mut seed = [7; 32];
    for (byte, name) in seed.iter_mut().zip(kid.bytes()) {
        *byte ^= name;
    }
    SigningKey::from_bytes(&seed)
}

/// What svc-identity publishes.
pub(crate) fn jwks(kids: &[&str]) -> Value {
    let keys: Vec<Value> = kids
        .iter()
        .map(|kid| {
            let public = signing_key(kid).verifying_key();
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid,
                "x": URL_SAFE_NO_PAD.encode(public.as_bytes()),
            })
        })
        .collect();
    json!({ "keys": keys })
}

/// What a good token of now claims.
pub(crate) fn claims(clock: &Clock) -> Claims {
    let now = clock.now().timestamp();
    Claims {
        iss: "souk".to_owned(),
        aud: "souk".to_owned(),
        sub: AccountId::generate(clock),
        sid: Uuid::from_bytes(svc_kit::random::bytes()),
        roles: vec!["customer".to_owned()],
        exp: now + 900,
        iat: now,
        nbf: now,
        jti: Uuid::from_bytes(svc_kit::random::bytes()),
    }
}

/// Signs with a key and says that it was a key: the same one, if honest.
pub(crate) fn sign_as(claims: &Claims, key: &str, kid: &str) -> String {
    let der = signing_key(key).to_pkcs8_der().unwrap();
    let header = Header {
        typ: Some("at+jwt".to_owned()),
        kid: Some(kid.to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
}

pub(crate) fn sign(claims: &Claims) -> String {
    sign_as(claims, KEY, KEY)
}

/// A token without a signature that says that it needs none.
pub(crate) fn unsigned(claims: &Claims) -> String {
    let header = json!({ "alg": "none", "typ": "at+jwt", "kid": KEY });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = serde_json::to_value(claims).unwrap();
    format!("{}.{}.", part(&header), part(&claims))
}

/// A request with a token.
pub(crate) fn bearing<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// A customer's token.
pub(crate) fn customer(clock: &Clock) -> String {
    sign(&claims(clock))
}

/// A token of somebody on the staff.
pub(crate) fn staff(clock: &Clock) -> String {
    let mut claims = claims(clock);
    claims.roles.push("staff".to_owned());
    sign(&claims)
}
