//! Charged once or declined, whatever becomes of the answer.

use sqlx::PgPool;
use svc_payment::{
    charge_payment::ask,
    payment::{Call, PaymentId, PaymentToken, Status},
    provider::{
        Charged, Decline, FoundCharge, Refunded,
        stripe::{CaptureMode, StripeConfig},
    },
    refund::RefundId,
};

use super::{
    CAPTURED, DECLINED, GIVEN_BACK, GOOD, REFUNDED, SOLD, only_intent, reference, shop, stripe,
};
use crate::{
    harness::{Harness, LONG, eur},
    stripe_server::StripeServer,
};

/// Asks for its holder.
const CARD_WITH_AUTHENTICATION: &str = "4000002500003155";

#[sqlx::test(migrations = false)]
async fn a_good_card_is_captured_and_given_back(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let request = shop.requested(GOOD).await;
    shop.drain().await;

    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.books(&request).await, SOLD);
    let intent = only_intent(&server, &request).await;
    assert_eq!(
        (&intent["amount"], &intent["currency"], &intent["status"]),
        (&42_00.into(), &"eur".into(), &"succeeded".into())
    );
    assert_eq!(intent["metadata"]["order_id"], request.order_id.as_str());
    assert_eq!(
        reference(&shop, &request).await.as_deref(),
        intent["id"].as_str()
    );

    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
    assert_eq!(shop.outbox().await, [CAPTURED, REFUNDED]);
    let refunds = server.list("refunds").await;
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0]["amount"], 42_00);
    assert_eq!(
        refunds[0]["metadata"]["payment_id"],
        request.payment_id.as_str()
    );
}

#[sqlx::test(migrations = false)]
async fn a_card_that_is_declined_or_of_nobody_fails_and_books_nothing(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    for (token, reason) in [
        (DECLINED, "PAYMENT_DECLINED"),
        ("pm_of_nobody", "PAYMENT_TOKEN_INVALID"),
        ("no token at all & more=1", "PAYMENT_TOKEN_INVALID"),
    ] {
        let request = shop.requested(token).await;
        shop.drain().await;
        let payment = shop.payment(&request).await;
        assert_eq!(payment.status, Status::Failed, "{token}");
        assert_eq!(payment.failure_reason.as_deref(), Some(reason), "{token}");
        assert_eq!(shop.books(&request).await, []);
    }
}

#[sqlx::test(migrations = false)]
async fn a_declined_intent_is_found_declined(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let request = shop.requested(DECLINED).await;
    let claimed = shop.claim().await;
    let declined = FoundCharge::Declined(Decline::Declined);
    assert_eq!(ask(&shop.app, &claimed).await, declined);

    // Crash before it was written: it is looked up.
    shop.clock.advance(LONG);
    let again = shop.claim().await;
    assert_eq!(again.call, Call::LookUp);
    assert_eq!(ask(&shop.app, &again).await, declined);
    shop.conclude(again, declined).await;
    assert_eq!(shop.status(&request).await, Status::Failed);
}

#[sqlx::test(migrations = false)]
async fn a_lost_answer_is_looked_up_and_nothing_is_charged_twice(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    // Others are charged at the same time: it is one of many.
    for _ in 0..3 {
        shop.requested(GOOD).await;
    }
    shop.drain().await;
    let request = shop.requested(GOOD).await;

    line.cut(true);
    shop.drain().await;
    assert_eq!(line.lost(), 1);
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(reference(&shop, &request).await, None);
    assert_eq!(
        only_intent(&server, &request).await["status"],
        "succeeded",
        "the money was taken"
    );

    // A look-up whose answer gets lost tells nothing either.
    shop.clock.advance(LONG);
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Requested);

    line.cut(false);
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.books(&request).await, SOLD);
    let intent = only_intent(&server, &request).await;
    assert_eq!(
        reference(&shop, &request).await.as_deref(),
        intent["id"].as_str()
    );
}

#[sqlx::test(migrations = false)]
async fn a_charge_that_never_arrived_is_made_once(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let request = shop.requested(GOOD).await;
    shop.claim().await;
    // Crash before the call.
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(only_intent(&server, &request).await["status"], "succeeded");
}

#[sqlx::test(migrations = false)]
async fn a_card_that_asks_for_its_holder_is_no_success_and_is_let_go(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let card = server
        .make(
            "payment_methods",
            &[
                ("type", "card"),
                ("card[number]", CARD_WITH_AUTHENTICATION),
                ("card[exp_month]", "12"),
                ("card[exp_year]", "2030"),
                ("card[cvc]", "123"),
            ],
        )
        .await;
    let request = shop.requested(card["id"].as_str().unwrap()).await;
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(
        only_intent(&server, &request).await["status"],
        "requires_action"
    );
    assert_eq!(shop.outbox().await, Vec::<String>::new());

    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Cancelled);
    assert_eq!(only_intent(&server, &request).await["status"], "canceled");
}

#[sqlx::test(migrations = false)]
async fn a_stripe_that_is_away_or_does_not_know_us_has_not_said_no(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    for url in [
        "http://127.0.0.1:1".to_owned(),
        format!("{}/_config", server.config(CaptureMode::Automatic).url),
    ] {
        let config = StripeConfig {
            url,
            ..server.config(CaptureMode::Automatic)
        };
        says_nothing(&config, &shop).await;
    }
    let stranger = StripeConfig {
        secret_key: Some("wrong".to_owned().into()),
        ..server.config(CaptureMode::Automatic)
    };
    says_nothing(&stranger, &shop).await;
}

async fn says_nothing(config: &StripeConfig, shop: &Harness) {
    let stripe = stripe(config, &shop.app.db);
    let request = shop.requested(GOOD).await;
    let payment_id: PaymentId = request.payment_id.parse().unwrap();
    let token = PaymentToken::new(GOOD.to_owned());
    let charged = stripe.charge(payment_id, eur(1), &token).await;
    assert_eq!(charged, Charged::Unknown);
    assert_eq!(stripe.look_up(payment_id).await, FoundCharge::Unknown);
    assert_eq!(stripe.void(payment_id).await, FoundCharge::Unknown);
    let refund_id = RefundId::generate(&shop.clock);
    let refunded = stripe.refund(refund_id, payment_id, eur(1)).await;
    assert_eq!(refunded, Refunded::Unknown);
}
