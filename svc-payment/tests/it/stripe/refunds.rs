//! Given back once, and tried again under a key of its own.

use proto::souk::event::v1::PaymentRequested;
use serde_json::json;
use sqlx::PgPool;
use svc_payment::{
    payment::Status,
    provider::{FoundRefund, Refunded, stripe::CaptureMode},
    refund::{self, RefundId},
    retry_refund::retry_refund,
    store::refunds,
};

use super::{GIVEN_BACK, GOOD, shop, stripe};
use crate::{
    harness::{Harness, LONG, START, eur},
    stripe_server::StripeServer,
    stripe_stub::{Mood, StripeStub},
};

#[sqlx::test(migrations = false)]
async fn a_lost_refund_is_looked_up_and_given_back_once(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let request = shop.called_off(GOOD).await;

    // The intent and its refunds are read first; the answer to the refund itself
    // gets lost.
    let claimed = shop.claim_refund().await;
    line.cut_after(2);
    let answer = svc_payment::refund_payment::ask(&shop.app, &claimed).await;
    assert_eq!(answer, FoundRefund::Unknown);
    assert_eq!(server.list("refunds").await.len(), 1, "it was given back");
    svc_payment::refund_payment::conclude(&shop.app, &claimed, answer)
        .await
        .unwrap();

    line.cut(false);
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(server.list("refunds").await.len(), 1);
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
}

#[sqlx::test(migrations = false)]
async fn a_part_of_a_charge_is_given_back(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let request = shop.requested(GOOD).await;
    shop.drain().await;
    let payment = shop.payment(&request).await;
    let stripe = stripe(&server.config(CaptureMode::Automatic), &shop.app.db);

    for minor in [10_00, 5_00] {
        let id = RefundId::generate(&shop.clock);
        let answer = stripe.refund(id, payment.id, eur(minor)).await;
        assert_eq!(answer, Refunded::Refunded);
    }
    let amounts: Vec<_> = server
        .list("refunds")
        .await
        .iter()
        .map(|refund| refund["amount"].as_i64().unwrap())
        .collect();
    assert_eq!(amounts.iter().sum::<i64>(), 15_00);
}

/// A cancelled order whose refund Stripe has refused, and that refund.
async fn with_a_refused_refund(
    pool: PgPool,
    stub: &StripeStub,
) -> (Harness, PaymentRequested, RefundId) {
    let shop = shop(pool, &stub.config()).await;
    let request = shop.requested(GOOD).await;
    shop.drain().await;
    stub.books().mood = Mood::Refusing;
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    let refunds = refunds::page(&shop.pool, Some(refund::Status::Refused), None, 10);
    let refused = refunds.await.unwrap();
    assert_eq!(refused.len(), 1);
    (shop, request, refused[0].id)
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_was_refused_is_tried_again_under_another_key(pool: PgPool) {
    let stub = StripeStub::start().await;
    let (shop, request, id) = with_a_refused_refund(pool, &stub).await;

    // Still refused, and then willing: each try is a new one.
    retry_refund(&shop.app, id).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    stub.books().mood = Mood::Willing;
    retry_refund(&shop.app, id).await.unwrap();
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
    let books = stub.books();
    let keys = [id.to_string(), format!("{id}:1"), format!("{id}:2")];
    assert_eq!(books.refund_keys, keys);
    assert_eq!(books.refunds.len(), 1);
    assert_eq!(books.refunds[0]["metadata"]["refund_id"], id.to_string());
}

#[sqlx::test(migrations = false)]
async fn one_try_of_a_refund_keeps_its_key_over_a_crash(pool: PgPool) {
    let stub = StripeStub::start().await;
    let (shop, request, id) = with_a_refused_refund(pool, &stub).await;
    stub.books().refund_keys.clear();

    // Nobody knows what became of it, then a crash before that is recorded.
    stub.books().mood = Mood::Failing;
    retry_refund(&shop.app, id).await.unwrap();
    let claimed = shop.claim_refund().await;
    let answer = svc_payment::refund_payment::ask(&shop.app, &claimed).await;
    assert_eq!(answer, FoundRefund::Unknown);
    shop.clock.advance(LONG);
    stub.books().mood = Mood::Willing;
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    let books = stub.books();
    assert_eq!(books.refund_keys, [format!("{id}:1"), format!("{id}:1")]);
    assert_eq!(books.refunds.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_retry_takes_a_refund_that_was_made_after_all(pool: PgPool) {
    let stub = StripeStub::start().await;
    let (shop, request, id) = with_a_refused_refund(pool, &stub).await;
    let made = json!({
        "id": "re_late", "created": START, "status": "pending", "amount": 42_00,
        "payment_intent": stub.intents_of(&request)[0]["id"], "currency": "eur",
        "metadata": {"refund_id": id.to_string()},
    });
    {
        let mut books = stub.books();
        books.mood = Mood::Willing;
        books.refund_keys.clear();
        books.refunds.push(made);
    }
    retry_refund(&shop.app, id).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured, "on its way");

    stub.books().refunds[0]["status"] = "succeeded".into();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    let books = stub.books();
    assert_eq!(books.refund_keys, [] as [String; 0]);
    assert_eq!(books.refunds.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_failed_at_stripe_is_made_by_a_retry(pool: PgPool) {
    let stub = StripeStub::start().await;
    let shop = shop(pool, &stub.config()).await;
    let request = shop.called_off(GOOD).await;
    let claimed = shop.claim_refund().await;
    svc_payment::refund_payment::ask(&shop.app, &claimed).await;
    // Crash before it was recorded, and the bank has sent it back meanwhile.
    stub.books().refunds[0]["status"] = "failed".into();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);

    retry_refund(&shop.app, claimed.refund.id).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    let books = stub.books();
    let statuses: Vec<_> = books.refunds.iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["failed", "succeeded"]);
}
