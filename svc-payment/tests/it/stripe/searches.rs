//! A charge whose answer was lost, looked for among others.

use proto::souk::event::v1::PaymentRequested;
use sqlx::PgPool;
use svc_payment::{charge_payment::ask, payment::Status, provider::FoundCharge};

use super::{GOOD, shop};
use crate::{harness::Harness, stripe_stub::StripeStub};

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
