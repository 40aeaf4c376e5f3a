//! What is made of what was heard.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use svc_kit::{
    job::{Job as _, Progress},
    metrics,
};
use svc_payment::{
    charge_payment,
    jobs::{ForgetWebhooks, forget_webhooks},
    payment::Status,
    provider::{FoundCharge, stripe::CaptureMode},
};

use super::{Ear, about, event, with_a_lost_answer};
use crate::{
    harness::{Harness, LONG},
    stripe::{GOOD, only_intent, shop},
    stripe_server::StripeServer,
};

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
