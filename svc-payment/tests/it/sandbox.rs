use std::time::Duration;

use sqlx::PgPool;
use svc_payment::{
    payment::{PaymentId, PaymentToken},
    provider::{
        Charged, Decline, FoundCharge, FoundRefund, Provider as _, Refunded, sandbox::Sandbox,
    },
    refund::RefundId,
};

use crate::harness::{Harness, eur};

fn token(text: &str) -> PaymentToken {
    PaymentToken::new(text.to_owned())
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_answers_by_the_token(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let sandbox = Sandbox::new(shop.app.db.clone(), shop.clock.clone())
        .with_slow_answer(Duration::from_millis(1));
    let declined = |decline| (Charged::Declined(decline), FoundCharge::Declined(decline));
    for (text, (answer, found)) in [
        ("tok_ok", (Charged::Captured, FoundCharge::Captured)),
        ("tok_slow", (Charged::Captured, FoundCharge::Captured)),
        ("tok_timeout", (Charged::Unknown, FoundCharge::Captured)),
        ("tok_declined", declined(Decline::Declined)),
        ("", declined(Decline::TokenInvalid)),
        ("tok_OK", declined(Decline::TokenInvalid)),
    ] {
        let id = PaymentId::generate(&shop.clock);
        assert_eq!(sandbox.look_up(id).await, FoundCharge::NotFound);
        assert_eq!(
            sandbox.charge(id, eur(1), &token(text)).await,
            answer,
            "{text}"
        );
        assert_eq!(sandbox.look_up(id).await, found, "{text}");
    }
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_remembers_over_a_restart(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let start = || Sandbox::new(shop.app.db.clone(), shop.clock.clone());
    let (payment_id, refund_id) = (
        PaymentId::generate(&shop.clock),
        RefundId::generate(&shop.clock),
    );

    assert_eq!(
        start().charge(payment_id, eur(5), &token("tok_ok")).await,
        Charged::Captured
    );
    // The key decides, not the token: the first answer stands.
    let again = start()
        .charge(payment_id, eur(5), &token("tok_declined"))
        .await;
    assert_eq!(again, Charged::Captured);
    let mistaken = start().charge(payment_id, eur(6), &token("tok_ok")).await;
    assert_eq!(mistaken, Charged::Unknown);

    assert_eq!(
        start().look_up_refund(refund_id).await,
        FoundRefund::NotFound
    );
    assert_eq!(
        start().refund(refund_id, payment_id, eur(5)).await,
        Refunded::Refunded
    );
    assert_eq!(
        start().refund(refund_id, payment_id, eur(5)).await,
        Refunded::Refunded
    );
    assert_eq!(
        start().look_up_refund(refund_id).await,
        FoundRefund::Refunded
    );
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_gives_back_no_more_than_it_took(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let sandbox = Sandbox::new(shop.app.db.clone(), shop.clock.clone());
    let (taken, refused) = (
        PaymentId::generate(&shop.clock),
        PaymentId::generate(&shop.clock),
    );
    sandbox.charge(taken, eur(5), &token("tok_ok")).await;
    sandbox
        .charge(refused, eur(5), &token("tok_declined"))
        .await;
    let refund = async |id, minor| {
        sandbox
            .refund(RefundId::generate(&shop.clock), id, eur(minor))
            .await
    };

    assert_eq!(refund(taken, 6).await, Refunded::Refused);
    assert_eq!(refund(taken, 3).await, Refunded::Refunded);
    assert_eq!(refund(taken, 3).await, Refunded::Refused);
    assert_eq!(refund(refused, 1).await, Refunded::Refused);
    assert_eq!(
        refund(PaymentId::generate(&shop.clock), 1).await,
        Refunded::Refused
    );
}
