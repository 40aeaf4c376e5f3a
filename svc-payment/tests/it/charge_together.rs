use std::{collections::HashSet, sync::Arc};

use proto::souk::event::v1::PaymentRequested;
use sqlx::PgPool;
use svc_kit::{
    consumer::{ConsumeError, Consumer as _, Heard},
    job::{Job as _, Progress},
};
use svc_payment::{
    charge_payment::{Answered, ask, begin, conclude},
    consumers::OnPaymentRequested,
    jobs::ChargeRequested,
    payment::{OrderId, PaymentId, Status},
    provider::ProviderName,
    store::{checkouts, payments},
};
use tokio::sync::Semaphore;
use tracing::Span;
use uuid::Uuid;

use crate::harness::{Harness, LONG};

const CAPTURED: &str = "souk.payment.captured.v1";
const FAILED: &str = "souk.payment.failed.v1";

fn payment_id(request: &PaymentRequested) -> PaymentId {
    request.payment_id.parse().unwrap()
}

#[sqlx::test(migrations = false)]
async fn each_of_a_batch_ends_as_it_should(pool: PgPool) {
    let gate = Arc::new(Semaphore::new(0));
    let shop = Harness::with(pool, |double| double.held_by(&gate)).await;
    let hanging = shop.requested("tok_slow").await;
    let declined = shop.requested("tok_declined").await;
    let unknown = shop.requested("tok_timeout").await;
    let good = shop.requested("tok_ok").await;

    let step = tokio::spawn({
        let shop = shop.clone();
        async move { shop.charge_step().await }
    });
    shop.until(&good, Status::Captured).await;
    shop.until(&declined, Status::Failed).await;
    assert_eq!(shop.status(&hanging).await, Status::Requested);
    assert!(!step.is_finished(), "all were claimed by one step");
    gate.add_permits(1);
    assert_eq!(step.await.unwrap(), Progress::More);

    assert_eq!(shop.status(&hanging).await, Status::Captured);
    assert_eq!(shop.status(&unknown).await, Status::Requested);
    shop.settle().await;
    assert_eq!(shop.status(&unknown).await, Status::Captured);
    for (request, attempts) in [(&hanging, 1), (&declined, 1), (&unknown, 2), (&good, 1)] {
        assert_eq!(shop.payment(request).await.attempts, attempts);
    }
    for request in [&hanging, &unknown, &good] {
        assert_eq!(shop.at_sandbox(request).await, (1, 0));
        assert_eq!(shop.books(request).await.len(), 3);
    }
    assert_eq!(shop.books(&declined).await, []);
    let mut announced = shop.outbox().await;
    announced.sort();
    assert_eq!(announced, [CAPTURED, CAPTURED, CAPTURED, FAILED]);
}

#[sqlx::test(migrations = false)]
async fn a_conclusion_that_fails_by_itself_spoils_no_other(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let mut good = vec![shop.requested("tok_ok").await];
    let bad = shop.requested("tok_ok").await;
    good.push(shop.requested("tok_ok").await);
    let declined = shop.requested("tok_declined").await;
    // Nothing can be booked for it.
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "ALTER TABLE ledger_transactions ADD CHECK (source_id <> '{}')",
        bad.payment_id
    )))
    .execute(&shop.pool)
    .await
    .unwrap();

    let step = ChargeRequested::new(shop.app.clone()).step().await;

    step.unwrap_err();
    for request in &good {
        assert_eq!(shop.status(request).await, Status::Captured);
        assert_eq!(shop.books(request).await.len(), 3);
    }
    assert_eq!(shop.status(&declined).await, Status::Failed);
    assert_eq!(shop.status(&bad).await, Status::Requested);
    assert_eq!(shop.books(&bad).await, []);
    assert_eq!(shop.outbox().await.len(), 3);

    sqlx::query(
        "ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_source_id_check",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    shop.clock.advance(LONG);
    shop.drain().await;
    assert_eq!(shop.status(&bad).await, Status::Captured);
    assert_eq!(shop.at_sandbox(&bad).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn a_crash_within_a_batch_leaves_each_to_its_lease(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(shop.requested("tok_ok").await);
    }
    let mut claimed = begin(&shop.app).await.unwrap();
    assert_eq!(claimed.len(), 3);
    // One is concluded, one is charged, one is not.
    let concluded = claimed.remove(0);
    let answer = ask(&shop.app, &concluded).await;
    shop.conclude(concluded, answer).await;
    ask(&shop.app, &claimed[0]).await;
    assert_eq!(shop.charge_step().await, Progress::Idle, "all are leased");
    assert_eq!(shop.outbox().await, [CAPTURED]);

    shop.settle().await;

    for request in &requests {
        assert_eq!(shop.status(request).await, Status::Captured);
        assert_eq!(shop.at_sandbox(request).await, (1, 0));
        assert_eq!(shop.books(request).await.len(), 3);
    }
    assert_eq!(shop.outbox().await, [CAPTURED; 3]);
}

#[sqlx::test(migrations = false)]
async fn two_answers_about_one_payment_conclude_it_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let other = shop.requested("tok_ok").await;
    let mut claimed = begin(&shop.app).await.unwrap();
    // The lease of these runs out, and they are claimed again.
    shop.clock.advance(LONG);
    claimed.extend(begin(&shop.app).await.unwrap());
    let mut answered = Vec::new();
    for claimed in claimed {
        let answer = ask(&shop.app, &claimed).await;
        answered.push(Answered {
            claimed,
            answer,
            span: Span::none(),
        });
    }
    assert_eq!(answered.len(), 4);

    for concluded in conclude(&shop.app, &answered).await {
        concluded.unwrap();
    }

    for request in [&request, &other] {
        assert_eq!(shop.status(request).await, Status::Captured);
        assert_eq!(shop.books(request).await.len(), 3);
    }
    assert_eq!(shop.outbox().await, [CAPTURED, CAPTURED]);
}

#[sqlx::test(migrations = false)]
async fn a_payment_that_makes_no_sense_keeps_no_other_from_being_charged(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let broken = shop.requested("tok_ok").await;
    let good = shop.requested("tok_ok").await;
    sqlx::query("UPDATE payments SET provider = 'of nobody' WHERE id = $1")
        .bind(payment_id(&broken).0)
        .execute(&shop.pool)
        .await
        .unwrap();

    shop.drain().await;

    assert_eq!(shop.status(&good).await, Status::Captured);
    assert_eq!(shop.status(&broken).await, Status::Requested);
    assert_eq!(shop.at_sandbox(&broken).await, (0, 0));
}

#[sqlx::test(migrations = false)]
async fn each_payment_is_given_to_a_provider_once(pool: PgPool) {
    let shop = Harness::new(pool).await;
    for _ in 0..2 {
        shop.requested("tok_timeout").await;
    }
    let claim = async |names: &[ProviderName]| {
        let names = std::sync::Mutex::new(names.to_vec());
        let choose = || names.lock().unwrap().pop().unwrap();
        let mut tx = shop.app.db.begin().await.unwrap();
        let now = shop.clock.now();
        let claimed = payments::claim_due(&mut tx, now, 9, choose).await.unwrap();
        tx.commit().await.unwrap();
        shop.clock.advance(LONG);
        let mut given: Vec<_> = claimed
            .iter()
            .map(|one| (one.payment.id.0, one.provider.as_str()))
            .collect();
        given.sort_unstable();
        given
    };
    let first = claim(&[ProviderName::Stripe, ProviderName::Sandbox]).await;
    let names: HashSet<_> = first.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, HashSet::from(["sandbox", "stripe"]));
    assert_eq!(claim(&[]).await, first, "nobody is asked again");
}

#[sqlx::test(migrations = false)]
async fn requests_that_come_together_are_noted_together(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let consumer = OnPaymentRequested {
        app: shop.app.clone(),
    };
    let hear = async |events: &[&PaymentRequested]| {
        let events = events
            .iter()
            .map(|event| Heard::here((*event).clone()))
            .collect();
        let mut tx = shop.app.db.begin().await.unwrap();
        consumer.handle_all(&mut tx, events).await?;
        tx.commit().await.unwrap();
        Ok::<(), ConsumeError>(())
    };
    let concluded = shop.captured().await;
    let cancelled = shop.request("tok_ok");
    shop.hear_cancelled(&cancelled).await.unwrap();
    let (new, another) = (shop.request("tok_ok"), shop.request("tok_declined"));

    hear(&[&new, &cancelled, &new, &concluded, &another])
        .await
        .unwrap();
    assert_eq!(shop.status(&new).await, Status::Requested);
    assert_eq!(shop.status(&another).await, Status::Requested);
    assert_eq!(shop.status(&cancelled).await, Status::Cancelled);
    assert_eq!(shop.outbox().await, [CAPTURED, CAPTURED], "told again");

    let next = shop.request("tok_ok");
    let second = PaymentRequested {
        payment_id: Uuid::from_u128(9).to_string(),
        ..next.clone()
    };
    let refused = hear(&[&next, &second]).await;
    assert!(
        matches!(refused, Err(ConsumeError::Reject(_))),
        "{refused:?}"
    );
    shop.settle().await;
    assert_eq!(shop.status(&new).await, Status::Captured);
    assert_eq!(shop.status(&another).await, Status::Failed);
    assert_eq!(shop.status(&cancelled).await, Status::Cancelled);
}

#[sqlx::test(migrations = false)]
async fn orders_are_held_without_being_written(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let order_id: OrderId = request.order_id.parse().unwrap();
    let version = async || -> String {
        sqlx::query_scalar("SELECT ctid::text FROM checkouts WHERE order_id = $1")
            .bind(order_id.0)
            .fetch_one(&shop.pool)
            .await
            .unwrap()
    };
    let before = version().await;
    let mut tx = shop.app.db.begin().await.unwrap();
    let new = OrderId::generate(&shop.clock);
    let orders = [new, order_id, order_id];
    let cancelled = checkouts::lock_all(&mut tx, &orders, shop.clock.now())
        .await
        .unwrap();
    assert_eq!(cancelled, HashSet::new());

    let taken = sqlx::query("SELECT FROM checkouts WHERE order_id = $1 FOR UPDATE NOWAIT")
        .bind(order_id.0)
        .execute(&shop.pool)
        .await
        .unwrap_err();
    let taken = taken.as_database_error().unwrap();
    assert_eq!(taken.code().as_deref(), Some("55P03"), "{taken}");
    tx.commit().await.unwrap();
    assert_eq!(version().await, before);
}
