use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::souk::{
    event::v1::{PaymentRefunded, PaymentRequested},
    payment::v1::{
        Discrepancy, DiscrepancyKind, DiscrepancyObject, DiscrepancyState,
        ListDiscrepanciesRequest, RefundStatus, ResolveDiscrepancyRequest, RetryRefundRequest,
        payment_service_server::PaymentService as _,
    },
};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::PgPool;
use svc_kit::{
    clock::Clock,
    job::{Job as _, Progress},
    metrics,
};
use svc_payment::{
    app::App,
    charge_payment,
    grpc::Grpc,
    jobs::{ForgetWebhooks, ProcessWebhooks, forget_webhooks},
    payment::Status,
    provider::{FoundCharge, stripe::CaptureMode},
    receive_webhook::{MAX_BODY_BYTES, PATH, router},
    reconcile::{reconcile, step},
    reconciliation::Kind,
    refund_payment,
    store::discrepancies,
};

use crate::{
    harness::{Harness, LONG, by_staff, eur},
    stripe::{GOOD, only_intent, shop},
    stripe_server::{Line, StripeServer},
};

const SECRET: &str = "whsec_of_a_test";
const CAPTURED: &str = "souk.payment.captured.v1";
const REFUNDED: &str = "souk.payment.refunded.v1";

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

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

#[sqlx::test(migrations = false)]
async fn twenty_times_out_of_order_forged_too_old_and_of_nobody_have_one_effect(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let (shop, request) = with_a_lost_answer(pool, &server, &line).await;
    let ear = Ear::of(&shop.app).await;
    let mut intent = only_intent(&server, &request).await;
    let succeeded = event("evt_1", "payment_intent.succeeded", &intent);

    // The same one twenty times at once.
    let tellings: Vec<_> = (0..20).map(|_| ear.told_well(&succeeded)).collect();
    for told in futures::future::join_all(tellings).await {
        assert_eq!(told, 200);
    }
    // What happened before it arrives after it, and lies about how it ended.
    intent["status"] = "requires_payment_method".into();
    for (id, kind) in [
        ("evt_0", "payment_intent.created"),
        ("evt_2", "payment_intent.payment_failed"),
        ("evt_3", "payment_intent.canceled"),
    ] {
        assert_eq!(ear.told_well(&event(id, kind, &intent)).await, 200);
    }
    // Of a payment of nobody, of something else, and of nothing at all.
    let nobody = shop.request(GOOD);
    let of_nobody = about(
        "evt_nobody",
        "payment_intent.succeeded",
        &nobody,
        "succeeded",
    );
    assert_eq!(ear.told_well(&of_nobody).await, 200);
    let other = event("evt_other", "customer.created", &json!({"id": "cus_1"}));
    assert_eq!(ear.told_well(&other).await, 200);
    for _ in 0..2 {
        assert_eq!(ear.told_well("signed, and no JSON").await, 200);
    }

    // Whoever does not know the secret, or speaks of another time, is refused.
    let now = shop.clock.now().timestamp();
    let late = about(
        "evt_forged",
        "payment_intent.succeeded",
        &request,
        "succeeded",
    );
    for signature in [
        String::new(),
        "t=,v1=".to_owned(),
        signature("whsec_of_another", now, &late),
        signature(SECRET, now, &succeeded),
        signature(SECRET, now - 301, &late),
        signature(SECRET, now + 301, &late),
    ] {
        assert_eq!(ear.told(&late, &signature).await, 400, "{signature}");
    }
    assert_eq!(
        ear.told(&late[1..], &signature(SECRET, now, &late)).await,
        400
    );

    ear.drain().await;
    assert_eq!(ear.told_well(&succeeded).await, 200);
    ear.drain().await;
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.outbox().await, [CAPTURED]);
    assert_eq!(shop.books(&request).await.len(), 2);
    assert_eq!(server.list("refunds").await.len(), 0);
    let states = ear.states().await;
    let known: Vec<_> = states
        .iter()
        .map(|(id, state)| (id.as_str(), state.as_str()))
        .filter(|(id, _)| !id.starts_with("sha256:"))
        .collect();
    assert_eq!(
        known,
        [
            ("evt_0", "processed"),
            ("evt_1", "processed"),
            ("evt_2", "processed"),
            ("evt_3", "processed"),
            ("evt_nobody", "unmatched"),
            ("evt_other", "ignored"),
        ]
    );
    let unreadable: Vec<_> = states.iter().filter(|(_, s)| s == "unreadable").collect();
    assert_eq!((unreadable.len(), states.len()), (1, known.len() + 1));
}

#[sqlx::test(migrations = false)]
async fn an_event_that_lies_about_a_payment_changes_nothing(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let request = shop.requested("pm_card_chargeCustomerFail").await;
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Failed);
    let ear = Ear::of(&shop.app).await;
    let lie = about("evt_1", "payment_intent.succeeded", &request, "succeeded");
    assert_eq!(ear.told_well(&lie).await, 200);
    ear.drain().await;
    shop.settle().await;
    ear.drain().await;

    assert_eq!(ear.state("evt_1").await.as_deref(), Some("processed"));
    assert_eq!(shop.status(&request).await, Status::Failed);
    assert_eq!(shop.outbox().await, ["souk.payment.failed.v1"]);
    assert_eq!(shop.books(&request).await, []);
}

#[sqlx::test(migrations = false)]
async fn what_stripe_signs_itself_is_heard(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    // Its signatures carry the time of the machine.
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let ear = Ear::of(&App {
        clock: Clock::system(),
        ..shop.app.clone()
    })
    .await;
    server.tell(&ear.url, SECRET).await;
    let request = shop.requested(GOOD).await;
    line.cut(true);
    shop.drain().await;
    line.cut(false);
    assert_eq!(shop.status(&request).await, Status::Requested);

    let deadline = tokio::time::Instant::now() + PATIENCE;
    while shop.status(&request).await != Status::Captured {
        assert!(tokio::time::Instant::now() < deadline, "it is not heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
        ear.drain().await;
    }
    assert_eq!(shop.outbox().await, [CAPTURED]);
    let states = ear.states().await;
    assert!(
        states[0].0.starts_with("evt_") && states[0].1 == "processed",
        "{states:?}"
    );
    assert_eq!(states.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_refund_whose_answer_was_lost_is_learned_of(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let request = shop.requested(GOOD).await;
    shop.drain().await;
    shop.hear_cancelled(&request).await.unwrap();
    let claimed = refund_payment::begin(&shop.app).await.unwrap().unwrap();
    line.cut_after(2);
    refund_payment::ask(&shop.app, &claimed).await;
    line.cut(false);

    let ear = Ear::of(&shop.app).await;
    let refund = &server.list("refunds").await[0];
    for (id, kind) in [
        ("evt_1", "refund.created"),
        ("evt_2", "charge.refund.updated"),
    ] {
        assert_eq!(ear.told_well(&event(id, kind, refund)).await, 200);
    }
    let stranger = json!({"id": "re_1", "metadata": {"refund_id": request.order_id}});
    let stranger = event("evt_3", "refund.created", &stranger);
    assert_eq!(ear.told_well(&stranger).await, 200);
    ear.drain().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    shop.settle().await;
    assert_eq!(shop.outbox().await, [CAPTURED, REFUNDED]);
    assert_eq!(server.list("refunds").await.len(), 1);
    assert_eq!(ear.state("evt_2").await.as_deref(), Some("processed"));
    assert_eq!(ear.state("evt_3").await.as_deref(), Some("unmatched"));
}

async fn open_discrepancies(grpc: &Grpc) -> Vec<Discrepancy> {
    let open = by_staff(ListDiscrepanciesRequest {
        state: DiscrepancyState::Open.into(),
        ..ListDiscrepanciesRequest::default()
    });
    let page = grpc.list_discrepancies(open).await.unwrap();
    page.into_inner().discrepancies
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_fails_after_it_was_made_is_booked_back_and_left_to_staff(pool: PgPool) {
    let fails = Arc::<AtomicBool>::default();
    let shop = Harness::with(pool, |double| double.fickle(&fails)).await;
    let grpc = Grpc::new(shop.app.clone());
    let request = shop.captured().await;
    let sold = shop.books(&request).await;
    let asked = by_staff(shop.refund(&request, 40_00));
    let refund = grpc.refund_payment(asked).await.unwrap().into_inner();
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::PartiallyRefunded);
    let given_back = shop.books(&request).await;
    let ear = Ear::of(&shop.app).await;
    let hear = async |id: &str| {
        let object = json!({"id": "re_1", "metadata": {"refund_id": refund.id}});
        assert_eq!(
            ear.told_well(&event(id, "refund.failed", &object)).await,
            200
        );
        ear.drain().await;
        assert_eq!(ear.state(id).await.as_deref(), Some("processed"));
    };

    // An event that lies changes nothing.
    hear("evt_1").await;
    assert_eq!(shop.books(&request).await, given_back);
    assert_eq!(open_discrepancies(&grpc).await, []);

    fails.store(true, Ordering::SeqCst);
    let day = shop.clock.now().date_naive();
    for id in ["evt_2", "evt_3"] {
        hear(id).await;
    }
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.payment(&request).await.refunded, eur(0));
    assert_eq!(shop.books(&request).await, sold);
    let open = open_discrepancies(&grpc).await;
    assert_eq!(open.len(), 1, "{open:?}");
    let found = &open[0];
    assert_eq!(found.kind(), DiscrepancyKind::StateDiffers);
    assert_eq!(found.object(), DiscrepancyObject::Refund);
    assert_eq!(
        (
            &found.provider,
            &found.date,
            &found.object_id,
            &found.order_id
        ),
        (
            &"stripe".to_owned(),
            &day.to_string(),
            &refund.id,
            &request.order_id
        )
    );
    assert_eq!(found.ours.as_ref().unwrap().state, "refunded");
    assert_eq!(found.theirs.as_ref().unwrap().state, "failed");
    assert!(found.proposal.contains("retried"), "{}", found.proposal);
    assert_eq!(
        discrepancies::open(&shop.pool).await.unwrap(),
        [(Kind::StateDiffers, 1)]
    );

    // Both sides agree by now, and still somebody has to look at it.
    shop.clock.advance(Duration::from_hours(24));
    reconcile(&shop.app, Some(day)).await.unwrap();
    while step(&shop.app).await.unwrap() {}
    assert_eq!(open_discrepancies(&grpc).await, open);

    // It is given once more, and booked once more.
    fails.store(false, Ordering::SeqCst);
    let retry = || {
        by_staff(RetryRefundRequest {
            id: refund.id.clone(),
        })
    };
    let again = grpc.retry_refund(retry()).await.unwrap().into_inner();
    assert_eq!(again.status(), RefundStatus::Requested);
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::PartiallyRefunded);
    assert_eq!(shop.books(&request).await, given_back);
    let announced: Vec<PaymentRefunded> = shop.announced().await;
    assert!(
        announced.iter().all(|told| told.refund_id == refund.id),
        "who counts each refund once counts it once"
    );

    // And may fail once more, which is another discrepancy.
    fails.store(true, Ordering::SeqCst);
    hear("evt_4").await;
    assert_eq!(shop.books(&request).await, sold);
    let open = open_discrepancies(&grpc).await;
    assert_eq!(open.len(), 2, "{open:?}");
    for found in open {
        let resolve = by_staff(ResolveDiscrepancyRequest {
            id: found.id,
            reason: "sent by the bank".to_owned(),
        });
        grpc.resolve_discrepancy(resolve).await.unwrap();
    }
    assert_eq!(open_discrepancies(&grpc).await, []);
}

#[sqlx::test(migrations = false)]
async fn an_event_is_looked_into_again_while_stripe_does_not_answer(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let (shop, request) = with_a_lost_answer(pool, &server, &line).await;
    let ear = Ear::of(&shop.app).await;
    let intent = only_intent(&server, &request).await;
    let succeeded = event("evt_1", "payment_intent.succeeded", &intent);
    assert_eq!(ear.told_well(&succeeded).await, 200);

    line.cut(true);
    ear.drain().await;
    assert_eq!(ear.state("evt_1").await.as_deref(), Some("received"));
    assert_eq!(shop.status(&request).await, Status::Requested);

    line.cut(false);
    shop.clock.advance(LONG);
    ear.drain().await;
    assert_eq!(ear.state("evt_1").await.as_deref(), Some("processed"));
    assert_eq!(shop.status(&request).await, Status::Captured);
}

#[sqlx::test(migrations = false)]
async fn money_that_is_held_for_a_payment_that_was_given_up_is_let_go(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Manual)).await;
    let request = shop.requested(GOOD).await;
    // The charge is on its way for so long that it is given up.
    let late = shop.claim().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Cancelled);
    let answer = charge_payment::ask(&shop.app, &late).await;
    assert_eq!(answer, FoundCharge::Authorized);

    let ear = Ear::of(&shop.app).await;
    let intent = only_intent(&server, &request).await;
    let held = event("evt_1", "payment_intent.amount_capturable_updated", &intent);
    assert_eq!(ear.told_well(&held).await, 200);
    ear.drain().await;

    assert_eq!(only_intent(&server, &request).await["status"], "canceled");
    assert_eq!(ear.state("evt_1").await.as_deref(), Some("processed"));
    assert_eq!(shop.status(&request).await, Status::Cancelled);
}

#[sqlx::test(migrations = false)]
async fn a_dispute_is_kept_as_one(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let dispute = json!({
        "id": "dp_1", "object": "dispute", "amount": 42_00, "currency": "eur",
        "charge": "ch_1", "payment_intent": "pi_1", "reason": "general",
        "status": "needs_response", "metadata": {},
    });
    for (id, kind) in [
        ("evt_1", "charge.dispute.created"),
        ("evt_2", "charge.dispute.funds_withdrawn"),
    ] {
        assert_eq!(ear.told_well(&event(id, kind, &dispute)).await, 200);
    }
    ear.drain().await;
    for id in ["evt_1", "evt_2"] {
        assert_eq!(ear.state(id).await.as_deref(), Some("disputed"));
    }
    let counted = r#"payment_webhook_events_total{provider="stripe",state="disputed"}"#;
    assert!(metrics::text().contains(counted));
}

#[sqlx::test(migrations = false)]
async fn nothing_is_thanked_for_that_is_not_committed(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let body = event("evt_1", "customer.created", &json!({}));
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&shop.pool).await.unwrap();
    };

    run("ALTER TABLE webhook_events RENAME TO elsewhere").await;
    assert_eq!(ear.told_well(&body).await, 503);
    run("ALTER TABLE elsewhere RENAME TO webhook_events").await;
    assert_eq!(ear.states().await, []);

    assert_eq!(ear.told_well(&body).await, 200);
    assert_eq!(ear.state("evt_1").await.as_deref(), Some("received"));
}

#[sqlx::test(migrations = false)]
async fn what_is_too_large_or_no_post_is_refused(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let fits = "x".repeat(MAX_BODY_BYTES);
    assert_eq!(ear.told_well(&fits).await, 200);
    assert_eq!(ear.told_well(&format!("{fits}x")).await, 413);
    let read = ear.http.get(&ear.url).send().await.unwrap();
    assert_eq!(read.status().as_u16(), 405);
    assert_eq!(ear.states().await.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn what_was_looked_into_is_forgotten_after_a_month(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    for (id, kind) in [("evt_1", "customer.created"), ("evt_2", "customer.created")] {
        assert_eq!(ear.told_well(&event(id, kind, &json!({}))).await, 200);
        if id == "evt_1" {
            ear.drain().await;
        }
    }
    let forget = ForgetWebhooks {
        app: shop.app.clone(),
    };
    shop.clock.advance(forget_webhooks::KEPT_FOR);
    assert_eq!(forget.step().await.unwrap(), Progress::Idle);
    shop.clock.advance(Duration::from_secs(1));
    assert_eq!(forget.step().await.unwrap(), Progress::More);
    // Nobody has looked into the other one yet.
    let left: Vec<_> = ear.states().await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, ["evt_2"]);
}

#[sqlx::test(migrations = false)]
async fn an_event_does_not_show_whom_it_names(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let ear = Ear::of(&shop.app).await;
    let request = shop.request(GOOD);
    let body = about("evt_1", "payment_intent.succeeded", &request, "succeeded");
    assert_eq!(ear.told_well(&body).await, 200);
    let claimed = svc_payment::process_webhook::begin(&shop.app)
        .await
        .unwrap()
        .unwrap();
    let shown = format!("{claimed:?}");
    assert_eq!(claimed.payload, body.as_bytes());
    assert!(
        !shown.contains("payload") && !shown.contains("ada"),
        "{shown}"
    );
}
