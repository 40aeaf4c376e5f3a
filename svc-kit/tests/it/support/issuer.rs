//! Plays svc-identity: publishes keys and signs tokens, good ones and others.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{Router, http::StatusCode, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use svc_kit::{
    auth::{AuthConfig, Claims, Verifier},
    clock::Clock,
    id::{self, AccountId},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
};

/// A key set that can be changed, taken away and held back; it counts who asks.
pub(crate) struct Issuer {
    config: AuthConfig,
    published: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    answering: Arc<Semaphore>,
}

impl Issuer {
    /// Publishes these keys.
    pub(crate) async fn publishing(set: &Value) -> Self {
        let published = Arc::new(Mutex::new((StatusCode::OK, set.to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let answering = Arc::new(Semaphore::new(1));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let answer = get({
            let (published, asked) = (published.clone(), asked.clone());
            let answering = answering.clone();
            async move || {
                asked.fetch_add(1, SeqCst);
                let _turn = answering.acquire().await;
                published.lock().unwrap().clone()
            }
        });
        let router = Router::new().route("/jwks.json", answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            config: AuthConfig {
                jwks_url,
                issuer: "souk".to_owned(),
                audience: "souk".to_owned(),
            },
            published,
            asked,
            answering,
        }
    }

    pub(crate) fn publish(&self, set: &Value) {
        self.say(StatusCode::OK, &set.to_string());
    }

    pub(crate) fn say(&self, status: StatusCode, body: &str) {
        *self.published.lock().unwrap() = (status, body.to_owned());
    }

    /// Answers nobody for as long as this lives.
    pub(crate) async fn hold(&self) -> SemaphorePermit<'_> {
        self.answering.acquire().await.unwrap()
    }

    /// How often the keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    pub(crate) fn verifier(&self, clock: &Clock) -> Verifier {
        Verifier::new(&self.config, clock.clone())
    }
}

/// The key of a name.
pub(crate) fn signing_key(name: &str) -> SigningKey {
    let mut seed = [7; 32];
    for (byte, letter) in seed.iter_mut().zip(name.bytes()) {
        *byte ^= letter;
    }
    SigningKey::from_bytes(&seed)
}

/// The public half of the key of a name, with the name as its id.
pub(crate) fn jwk(name: &str) -> Value {
    let public = signing_key(name).verifying_key();
    json!({
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": name,
        "x": URL_SAFE_NO_PAD.encode(public.as_bytes()),
    })
}

/// A set of these keys.
pub(crate) fn jwks(names: &[&str]) -> Value {
    json!({ "keys": names.iter().map(|name| jwk(name)).collect::<Vec<_>>() })
}

/// What a good token of now claims.
pub(crate) fn claims(clock: &Clock) -> Claims {
    let now = clock.now().timestamp();
    Claims {
        iss: "souk".to_owned(),
        aud: "souk".to_owned(),
        sub: AccountId::generate(clock),
        sid: id::generate(clock),
        roles: vec!["customer".to_owned()],
        exp: now + 900,
        iat: now,
        nbf: now,
        jti: id::generate(clock),
    }
}

/// A good token.
pub(crate) fn sign(claims: &Claims, key: &str) -> String {
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": key }).to_string();
    let claims = serde_json::to_string(claims).unwrap();
    sign_text(&header, &claims, key)
}

/// A token of whatever header and claims, truly signed.
pub(crate) fn sign_text(header: &str, claims: &str, key: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = signing_key(key).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}
