//! `POST /webhooks/stripe`: keeps what Stripe tells us, as it came, and thanks
//! only when that is committed. It believes nothing but the signature.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    body::{self, Body},
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use prometheus::IntCounterVec;
use svc_kit::{error, metrics, secret::Secret};
use tokio::sync::Semaphore;

use crate::{
    app::App,
    error::Error,
    provider::{ProviderName, stripe::webhook},
    store::webhook_events,
};

/// Where Stripe tells us.
pub const PATH: &str = "/webhooks/stripe";

/// The largest event that is taken, in bytes. Stripe's are far smaller.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// How long an event may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The most events that arrive at once; more are refused, and come again.
pub const MAX_AT_ONCE: usize = 64;

static HEARD: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "payment_webhooks_total",
        "Webhook calls, by provider and what became of them.",
        &["provider", "outcome"],
    )
});

/// What the route works with.
#[derive(Clone)]
struct Ear {
    app: App,
    secret: Secret,
    places: Arc<Semaphore>,
}

/// The route, for who signs with this secret.
pub fn router(app: App, secret: Secret) -> Router {
    let ear = Ear {
        app,
        secret,
        places: Arc::new(Semaphore::new(MAX_AT_ONCE)),
    };
    Router::new().route(PATH, post(receive)).with_state(ear)
}

/// What became of a call.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Kept,
    Duplicate,
    Forged(webhook::Forged),
    TooLarge,
    TooSlow,
    TooMany,
    NotKept,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Duplicate => "duplicate",
            Self::Forged(why) => why.as_str(),
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::TooMany => "too_many",
            Self::NotKept => "not_kept",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Kept | Self::Duplicate => StatusCode::OK,
            Self::Forged(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany | Self::NotKept => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

async fn receive(State(ear): State<Ear>, headers: HeaderMap, body: Body) -> StatusCode {
    let outcome = ear.hear(&headers, body).await;
    HEARD
        .with_label_values(&[ProviderName::Stripe.as_str(), outcome.as_str()])
        .inc();
    match outcome {
        Outcome::Kept | Outcome::Duplicate => {}
        refused => tracing::warn!(outcome = refused.as_str(), "webhook refused"),
    }
    outcome.status()
}

impl Ear {
    async fn hear(&self, headers: &HeaderMap, body: Body) -> Outcome {
        let Ok(_place) = self.places.try_acquire() else {
            return Outcome::TooMany;
        };
        let arriving = tokio::time::timeout(BODY_TIMEOUT, body::to_bytes(body, MAX_BODY_BYTES));
        let bytes = match arriving.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return Outcome::TooLarge,
            Err(_) => return Outcome::TooSlow,
        };
        let signature = headers
            .get(webhook::SIGNATURE)
            .and_then(|signature| signature.to_str().ok())
            .unwrap_or_default();
        let now = self.app.clock.now();
        if let Err(forged) = webhook::verify(&self.secret, signature, &bytes, now) {
            return Outcome::Forged(forged);
        }
        match self.keep(&bytes).await {
            Ok(true) => Outcome::Kept,
            Ok(false) => Outcome::Duplicate,
            Err(fault) => {
                tracing::error!(error = error::chain(&fault), "a webhook is not kept");
                Outcome::NotKept
            }
        }
    }

    /// False if it was there already.
    async fn keep(&self, bytes: &[u8]) -> Result<bool, Error> {
        let received = webhook::received(bytes);
        let mut tx = self.app.db.begin().await?;
        let now = self.app.clock.now();
        let kept = webhook_events::insert_once(&mut tx, &received, bytes, now).await?;
        tx.commit().await?;
        Ok(kept)
    }
}
