//! Money as Stripe counts it.

use proto::souk::event::v1::PaymentRequested;
use serde_json::Value;
use sqlx::PgPool;
use svc_kit::money::Money;
use svc_payment::{
    charge_payment::ask,
    payment::Status,
    provider::{FoundCharge, RecordKind, stripe::CaptureMode},
    reconciliation::{Kind, State},
};

use super::{GOOD, SOLD, only_intent, shop};
use crate::{reconcile::DAY, stripe_server::StripeServer, stripe_stub::StripeStub};

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
