use std::time::Duration;

use sqlx::PgPool;
use svc_payment::{
    payment::{PaymentId, PaymentToken, Status},
    provider::{
        Charged, Decline, FoundCharge, FoundRefund, Provider as _, Receipt, Refunded,
        sandbox::Sandbox,
    },
    refund::RefundId,
};

use crate::harness::{Harness, eur};

fn token(text: &str) -> PaymentToken {
    PaymentToken::new(text.to_owned())
}

/// Captured, and what the sandbox keeps of it.
fn captured(minor: i64) -> Charged {
    Charged::Captured(Receipt { fee: eur(minor) })
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_answers_by_the_token(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let sandbox = Sandbox::new(shop.app.db.clone(), shop.clock.clone())
        .with_slow_answer(Duration::from_millis(1));
    let declined = |decline| (Charged::Declined(decline), FoundCharge::Declined(decline));
    for (text, (answer, found)) in [
        ("tok_ok", (captured(25), captured(25).into())),
        ("tok_slow", (captured(25), captured(25).into())),
        ("tok_timeout", (Charged::Unknown, captured(25).into())),
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
        captured(25)
    );
    // The key decides, not the token: the first answer stands.
    let again = start()
        .charge(payment_id, eur(5), &token("tok_declined"))
        .await;
    assert_eq!(again, captured(25));
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

async fn conditions(pool: &PgPool, mode: &str, delay_ms: i32) {
    sqlx::query("UPDATE sandbox.conditions SET mode = $1, delay_ms = $2")
        .bind(mode)
        .bind(delay_ms)
        .execute(pool)
        .await
        .unwrap();
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_that_is_down_answers_nothing_and_does_nothing(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let sandbox = Sandbox::new(shop.app.db.clone(), shop.clock.clone());
    let (taken, id) = (
        PaymentId::generate(&shop.clock),
        PaymentId::generate(&shop.clock),
    );
    let refund_id = RefundId::generate(&shop.clock);
    sandbox.charge(taken, eur(5), &token("tok_ok")).await;

    conditions(&shop.pool, "down", 0).await;
    assert_eq!(
        sandbox.charge(id, eur(5), &token("tok_ok")).await,
        Charged::Unknown
    );
    assert_eq!(sandbox.look_up(taken).await, FoundCharge::Unknown);
    assert_eq!(
        sandbox.refund(refund_id, taken, eur(5)).await,
        Refunded::Unknown
    );
    assert_eq!(
        sandbox.look_up_refund(refund_id).await,
        FoundRefund::Unknown
    );

    conditions(&shop.pool, "normal", 0).await;
    assert_eq!(sandbox.look_up(id).await, FoundCharge::NotFound);
    assert_eq!(sandbox.look_up(taken).await, captured(25).into());
    assert_eq!(
        sandbox.look_up_refund(refund_id).await,
        FoundRefund::NotFound
    );
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_that_is_slow_answers_after_its_delay(pool: PgPool) {
    const DELAY_MS: i32 = 200;
    let shop = Harness::new(pool).await;
    let sandbox = Sandbox::new(shop.app.db.clone(), shop.clock.clone());
    let id = PaymentId::generate(&shop.clock);
    conditions(&shop.pool, "slow", DELAY_MS).await;

    let begun = tokio::time::Instant::now();
    assert_eq!(
        sandbox.charge(id, eur(5), &token("tok_ok")).await,
        captured(25)
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(sandbox.look_up(id).await, captured(25).into());
}

#[sqlx::test(migrations = false)]
async fn what_was_requested_while_the_sandbox_was_down_is_charged_once_it_is_back(pool: PgPool) {
    let shop = Harness::new(pool).await;
    conditions(&shop.pool, "down", 0).await;
    let request = shop.requested("tok_ok").await;
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Requested);
    assert_eq!(shop.at_sandbox(&request).await, (0, 0));

    conditions(&shop.pool, "normal", 0).await;
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Captured);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn the_sandbox_keeps_a_fee_rounded_half_up(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let sandbox = Sandbox::new(shop.app.db.clone(), shop.clock.clone());
    for (minor, fee) in [
        (1, 25),
        (35, 25),
        (36, 26),
        // 1.5 is rounded up, 0.49 down.
        (107, 26),
        (108, 27),
        (42_00, 84),
        (1_000_000_00, 1_400_000 + 25),
    ] {
        let id = PaymentId::generate(&shop.clock);
        let answer = sandbox.charge(id, eur(minor), &token("tok_ok")).await;
        assert_eq!(answer, captured(fee), "{minor}");
        let found = sandbox.look_up(id).await;
        assert_eq!(found, captured(fee).into(), "{minor}");
    }
}
