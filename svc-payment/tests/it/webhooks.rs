//! What Stripe tells by itself.

mod process;
mod receive;
mod refunds;

use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::souk::event::v1::PaymentRequested;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::PgPool;
use svc_kit::job::{Job as _, Progress};
use svc_payment::{
    app::App,
    jobs::ProcessWebhooks,
    payment::Status,
    provider::stripe::CaptureMode,
    receive_webhook::{PATH, router},
};

use crate::{
    harness::Harness,
    stripe::{GOOD, only_intent, shop},
    stripe_server::{Line, StripeServer},
};

const SECRET: &str = "whsec_of_a_test";
const CAPTURED: &str = "souk.payment.captured.v1";
const REFUNDED: &str = "souk.payment.refunded.v1";

/// Somebody who listens to webhooks.
struct Ear {
    url: String,
    http: reqwest::Client,
    app: App,
}

impl Ear {
    async fn of(app: &App) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
        let router = router(app.clone(), SECRET.to_owned().into());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            app: app.clone(),
        }
    }

    /// Tells it something, signed like this.
    async fn told(&self, body: &str, signature: &str) -> u16 {
        let request = self.http.post(&self.url).body(body.to_owned());
        let request = request.header("stripe-signature", signature);
        request.send().await.unwrap().status().as_u16()
    }

    /// Tells it something, signed as it must be.
    async fn told_well(&self, body: &str) -> u16 {
        let now = self.app.clock.now().timestamp();
        self.told(body, &signature(SECRET, now, body)).await
    }

    /// Looks into what was told until nothing is due any more.
    async fn drain(&self) {
        let job = ProcessWebhooks {
            app: self.app.clone(),
        };
        while job.step().await.unwrap() == Progress::More {}
    }

    async fn states(&self) -> Vec<(String, String)> {
        sqlx::query_as("SELECT event_id, state FROM webhook_events ORDER BY event_id")
            .fetch_all(self.app.db.writer())
            .await
            .unwrap()
    }

    async fn state(&self, event_id: &str) -> Option<String> {
        let states = self.states().await;
        let found = states.into_iter().find(|(id, _)| id == event_id)?;
        Some(found.1)
    }
}

fn signature(secret: &str, time: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap()
        .chain_update(format!("{time}.{body}"));
    let v1 = hex::encode(mac.finalize().into_bytes());
    format!("t={time},v1={v1}")
}

fn event(id: &str, kind: &str, object: &Value) -> String {
    json!({"id": id, "object": "event", "type": kind, "data": {"object": object}}).to_string()
}

/// An event about a payment, which tells of it what it likes.
fn about(id: &str, kind: &str, request: &PaymentRequested, status: &str) -> String {
    let object = json!({
        "id": "pi_of_nobody", "object": "payment_intent", "status": status,
        "metadata": {"payment_id": request.payment_id},
        "receipt_email": "ada@example.org",
    });
    event(id, kind, &object)
}

/// A shop whose Stripe has the money of a payment, and whose answer got lost.
async fn with_a_lost_answer(
    pool: PgPool,
    server: &StripeServer,
    line: &Line,
) -> (Harness, PaymentRequested) {
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let request = shop.requested(GOOD).await;
    line.cut(true);
    shop.drain().await;
    line.cut(false);
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(only_intent(server, &request).await["status"], "succeeded");
    (shop, request)
}
