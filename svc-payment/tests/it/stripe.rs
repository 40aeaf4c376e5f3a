use std::sync::Arc;

use proto::souk::event::v1::PaymentRequested;
use serde_json::{Value, json};
use sqlx::PgPool;
use svc_kit::{job::Progress, money::Money};
use svc_payment::{
    charge_payment::ask,
    ledger::Account,
    payment::{Call, PaymentId, PaymentToken, Status},
    provider::{
        Charged, Decline, FoundCharge, FoundRefund, Provider, Providers, RecordKind, Refunded,
        stripe::{CaptureMode, Stripe, StripeConfig},
    },
    reconciliation::{Kind, State},
    refund::{self, RefundId},
    retry_refund::retry_refund,
    store::refunds,
};

use crate::{
    harness::{Harness, LONG, START, eur},
    reconcile::DAY,
    stripe_server::StripeServer,
    stripe_stub::{Mood, StripeStub},
};

/// Cards of Stripe's for tests.
pub(crate) const GOOD: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_chargeCustomerFail";

/// Asks for its holder.
const CARD_WITH_AUTHENTICATION: &str = "4000002500003155";

const CAPTURED: &str = "souk.payment.captured.v1";
const REFUNDED: &str = "souk.payment.refunded.v1";

/// What a captured payment leaves in the ledger, and what a refunded one does.
const SOLD: [(Account, i64); 2] = [(Account::CashAtProvider, 42_00), (Account::Revenue, -42_00)];
const GIVEN_BACK: [(Account, i64); 2] = [(Account::Refunds, 42_00), (Account::Revenue, -42_00)];

/// A shop that is paid by Stripe.
pub(crate) async fn shop(pool: PgPool, config: &StripeConfig) -> Harness {
    let config = config.clone();
    Harness::with_providers(pool, move |db, _| Providers::from(stripe(&config, db))).await
}

fn stripe(config: &StripeConfig, db: &svc_kit::db::Db) -> Arc<dyn Provider> {
    Arc::new(Stripe::new(config, db.clone()).unwrap())
}

/// A payment's intents at Stripe.
async fn intents(server: &StripeServer, request: &PaymentRequested) -> Vec<Value> {
    let mut all = server.list("payment_intents").await;
    all.retain(|intent| intent["metadata"]["payment_id"] == request.payment_id.as_str());
    all
}

pub(crate) async fn only_intent(server: &StripeServer, request: &PaymentRequested) -> Value {
    let intents = intents(server, request).await;
    assert_eq!(intents.len(), 1, "{intents:?}");
    intents[0].clone()
}

async fn reference(shop: &Harness, request: &PaymentRequested) -> Option<String> {
    sqlx::query_scalar("SELECT provider_reference FROM payments WHERE id::text = $1")
        .bind(&request.payment_id)
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

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
async fn a_lost_refund_is_looked_up_and_given_back_once(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let shop = shop(pool, &line.config(CaptureMode::Automatic)).await;
    let request = shop.requested(GOOD).await;
    shop.drain().await;
    shop.hear_cancelled(&request).await.unwrap();

    // The intent and its refunds are read first; the answer to the refund itself
    // gets lost.
    let claimed = svc_payment::refund_payment::begin(&shop.app)
        .await
        .unwrap()
        .unwrap();
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

#[sqlx::test(migrations = false)]
async fn money_is_held_recorded_and_only_then_taken(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Manual)).await;
    let request = shop.requested(GOOD).await;

    assert_eq!(shop.charge_step().await, Progress::More);
    assert_eq!(
        only_intent(&server, &request).await["status"],
        "requires_capture"
    );
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(shop.books(&request).await, []);
    let authorized: bool = sqlx::query_scalar(
        "SELECT authorize_time IS NOT NULL AND next_call = 'capture' FROM payments",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert!(authorized);

    shop.drain().await;
    assert_eq!(only_intent(&server, &request).await["status"], "succeeded");
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.books(&request).await, SOLD);
    assert_eq!(shop.outbox().await, [CAPTURED]);
}

#[sqlx::test(migrations = false)]
async fn money_that_is_held_for_a_cancelled_order_is_let_go(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Manual)).await;
    let request = shop.requested(GOOD).await;
    assert_eq!(shop.charge_step().await, Progress::More);
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;

    assert_eq!(shop.status(&request).await, Status::Cancelled);
    assert_eq!(only_intent(&server, &request).await["status"], "canceled");
    assert_eq!(server.list("refunds").await.len(), 0);
    assert_eq!(shop.books(&request).await, []);
    assert_eq!(shop.outbox().await, Vec::<String>::new());
}

#[sqlx::test(migrations = false)]
async fn a_capture_whose_answer_was_lost_is_looked_up(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let line = server.line().await;
    let shop = shop(pool, &line.config(CaptureMode::Manual)).await;
    let request = shop.requested(GOOD).await;
    assert_eq!(shop.charge_step().await, Progress::More);
    line.cut_after(1);
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(only_intent(&server, &request).await["status"], "succeeded");

    // Cancelled meanwhile: what was taken goes back.
    shop.hear_cancelled(&request).await.unwrap();
    line.cut(false);
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(server.list("refunds").await.len(), 1);
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
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
async fn a_currency_without_cents_is_charged_as_it_is(pool: PgPool) {
    let Some(server) = StripeServer::start().await else {
        return;
    };
    let shop = shop(pool, &server.config(CaptureMode::Automatic)).await;
    let request = PaymentRequested {
        amount: Some(Money::new("JPY".parse().unwrap(), 500).into()),
        ..shop.request(GOOD)
    };
    shop.hear_request(&request).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    let intent = only_intent(&server, &request).await;
    assert_eq!(
        (&intent["amount"], &intent["currency"]),
        (&500.into(), &"jpy".into())
    );
}

#[sqlx::test(migrations = false)]
async fn an_amount_goes_there_and_back_as_stripe_counts_it(pool: PgPool) {
    let stub = StripeStub::start().await;
    let shop = shop(pool, &stub.config()).await;
    for (currency, minor, theirs) in [
        ("ISK", 5, 5_00),
        ("UGX", 5, 5_00),
        ("MGA", 1_00, 1),
        ("JPY", 500, 500),
        ("KWD", 5_120, 5_120),
        ("USD", 42_00, 42_00),
    ] {
        let request = PaymentRequested {
            amount: Some(Money::new(currency.parse().unwrap(), minor).into()),
            ..shop.request(GOOD)
        };
        shop.hear_request(&request).await.unwrap();
        shop.drain().await;
        assert_eq!(shop.status(&request).await, Status::Captured, "{currency}");
        assert_eq!(stub.intents_of(&request)[0]["amount"], theirs, "{currency}");

        shop.hear_cancelled(&request).await.unwrap();
        shop.drain().await;
        assert_eq!(shop.status(&request).await, Status::Refunded, "{currency}");
        let refund = stub.books().refunds.last().unwrap().clone();
        assert_eq!(refund["amount"], theirs, "{currency}");
    }

    // And both sides are found to have the same.
    shop.clock.advance(DAY);
    assert_eq!(shop.reconciled().await, 12);
    assert_eq!(shop.found(State::Open).await, []);
}

#[sqlx::test(migrations = false)]
async fn an_amount_that_stripe_cannot_take_is_declined_and_never_sent(pool: PgPool) {
    let stub = StripeStub::start().await;
    let shop = shop(pool, &stub.config()).await;
    for (currency, minor) in [("KWD", 5_124), ("MGA", 1_20), ("CLF", 1_0000)] {
        let request = PaymentRequested {
            amount: Some(Money::new(currency.parse().unwrap(), minor).into()),
            ..shop.request(GOOD)
        };
        shop.hear_request(&request).await.unwrap();
        shop.drain().await;
        let payment = shop.payment(&request).await;
        assert_eq!(payment.status, Status::Failed, "{currency}");
        let reason = payment.failure_reason.as_deref();
        assert_eq!(reason, Some("PAYMENT_AMOUNT_UNSUPPORTED"), "{currency}");
    }
    assert_eq!(stub.books().intents, [] as [Value; 0]);
}

#[sqlx::test(migrations = false)]
async fn another_amount_than_was_asked_for_is_not_taken_for_it(pool: PgPool) {
    let stub = StripeStub::start().await;
    let shop = shop(pool, &stub.config()).await;
    let request = shop.requested(GOOD).await;
    let claimed = shop.claim().await;
    assert_ne!(ask(&shop.app, &claimed).await, FoundCharge::Unknown);
    // Its answer was lost, and less of it was received.
    stub.books().intents[0]["amount_received"] = 20_00.into();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(shop.books(&request).await, []);
    assert_eq!(stub.intents_of(&request).len(), 1);

    // What differs is shown by the comparison of the day.
    shop.clock.advance(DAY);
    shop.reconciled().await;
    let id = request.payment_id.parse().unwrap();
    let open = [(Kind::StateDiffers, RecordKind::Charge, id)];
    assert_eq!(shop.found(State::Open).await, open);

    stub.books().intents[0]["amount_received"] = 42_00.into();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.books(&request).await, SOLD);

    stub.books().intents[0]["amount_received"] = 20_00.into();
    shop.reconciled().await;
    let open = [(Kind::AmountDiffers, RecordKind::Charge, id)];
    assert_eq!(shop.found(State::Open).await, open);
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
    let claimed = svc_payment::refund_payment::begin(&shop.app)
        .await
        .unwrap()
        .unwrap();
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
    let request = shop.requested(GOOD).await;
    shop.drain().await;
    shop.hear_cancelled(&request).await.unwrap();
    let claimed = svc_payment::refund_payment::begin(&shop.app)
        .await
        .unwrap()
        .unwrap();
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

/// Loses the answer to a charge, after which so many other intents are made, so
/// many seconds after the start.
async fn lost_among(
    pool: PgPool,
    stub: &StripeStub,
    others: usize,
    seconds: i64,
) -> (Harness, PaymentRequested) {
    let shop = shop(pool, &stub.config()).await;
    let request = shop.requested(GOOD).await;
    let claimed = shop.claim().await;
    assert_ne!(ask(&shop.app, &claimed).await, FoundCharge::Unknown);
    sqlx::query("UPDATE payments SET provider_reference = NULL")
        .execute(&shop.pool)
        .await
        .unwrap();
    stub.make_others(others, seconds);
    shop.settle().await;
    (shop, request)
}

/// One more than is read, page by page.
const TOO_MANY: usize = 2_001;

#[sqlx::test(migrations = false)]
async fn a_lost_charge_is_found_however_many_came_later(pool: PgPool) {
    let stub = StripeStub::start().await;
    let hour = 3_600;
    let (shop, request) = lost_among(pool, &stub, TOO_MANY, hour).await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(stub.intents_of(&request).len(), 1);
}

#[sqlx::test(migrations = false)]
async fn a_lost_charge_is_found_by_search_among_too_many_of_its_time(pool: PgPool) {
    let stub = StripeStub::start().await;
    let (shop, request) = lost_among(pool, &stub, TOO_MANY, 1).await;
    assert_eq!(
        shop.status(&request).await,
        Status::Requested,
        "not guessed"
    );

    stub.books().searches = true;
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(stub.intents_of(&request).len(), 1);
}

#[sqlx::test(migrations = false)]
async fn what_a_search_does_not_find_yet_is_found_in_the_list(pool: PgPool) {
    let stub = StripeStub::start().await;
    stub.books().searches = true;
    let (shop, request) = lost_among(pool, &stub, 1, 1).await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(stub.intents_of(&request).len(), 1);
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
