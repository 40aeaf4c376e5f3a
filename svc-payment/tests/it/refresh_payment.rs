use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proto::souk::payment::v1::{
    ListDiscrepanciesRequest, Payment, PaymentStatus, RefreshPaymentRequest, RefundStatus,
    payment_service_server::PaymentService as _,
};
use sqlx::PgPool;
use svc_payment::{
    charge_payment,
    grpc::Grpc,
    payment::Status,
    provider::{FoundCharge, FoundRefund},
    reconcile::{reconcile, step},
    refund_payment,
};
use tonic::Code;

use crate::harness::{GIVEN_BACK, Harness, by_staff, reason, receipt};

async fn refresh(shop: &Harness, order_id: &str) -> Result<Payment, tonic::Status> {
    let request = by_staff(RefreshPaymentRequest {
        order_id: order_id.to_owned(),
    });
    let answer = Grpc::new(shop.app.clone()).refresh_payment(request).await?;
    Ok(answer.into_inner())
}

/// What staff are told to do about all that does not agree, the day compared.
async fn proposals(shop: &Harness) -> Vec<String> {
    let day = shop.clock.now().date_naive();
    shop.clock.advance(Duration::from_hours(24));
    reconcile(&shop.app, Some(day)).await.unwrap();
    while step(&shop.app).await.unwrap() {}
    let all = by_staff(ListDiscrepanciesRequest::default());
    let page = Grpc::new(shop.app.clone()).list_discrepancies(all).await;
    let found = page.unwrap().into_inner().discrepancies;
    found.into_iter().map(|one| one.proposal).collect()
}

#[sqlx::test(migrations = false)]
async fn money_of_a_payment_that_was_given_up_is_found_and_goes_back(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let late = shop.claim().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Cancelled);
    // It arrives after all, and its answer is lost: nobody asks any more.
    let answer = charge_payment::ask(&shop.app, &late).await;
    assert_eq!(answer, FoundCharge::Captured(receipt()));
    shop.settle().await;
    assert_eq!(shop.status(&request).await, Status::Cancelled);

    let found = refresh(&shop, &request.order_id).await.unwrap();
    assert_eq!(found.status(), PaymentStatus::Captured);
    assert_eq!(found.refunds.len(), 1);
    shop.drain().await;

    assert_eq!(shop.status(&request).await, Status::Refunded);
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
    assert_eq!(shop.books(&request).await, GIVEN_BACK);
}

#[sqlx::test(migrations = false)]
async fn what_is_proposed_about_a_payment_that_was_given_up_can_be_done(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let late = shop.claim().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.settle().await;
    charge_payment::ask(&shop.app, &late).await;

    let proposed = proposals(&shop).await;
    assert_eq!(proposed.len(), 1, "{proposed:?}");
    assert!(proposed[0].contains("RefreshPayment"), "{proposed:?}");
    refresh(&shop, &request.order_id).await.unwrap();
    shop.drain().await;
    assert_eq!(shop.status(&request).await, Status::Refunded);
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_was_taken_for_refused_is_found_made(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    shop.hear_cancelled(&request).await.unwrap();
    let claimed = shop.claim_refund().await;
    let made = refund_payment::ask(&shop.app, &claimed).await;
    assert_eq!(made, FoundRefund::Refunded);
    refund_payment::conclude(&shop.app, &claimed, FoundRefund::Refused)
        .await
        .unwrap();
    assert_eq!(shop.status(&request).await, Status::Captured);

    let found = refresh(&shop, &request.order_id).await.unwrap();
    assert_eq!(found.status(), PaymentStatus::Refunded);
    assert_eq!(found.refunds[0].status(), RefundStatus::Refunded);
    shop.settle().await;
    assert_eq!(shop.at_sandbox(&request).await, (1, 1));
}

#[sqlx::test(migrations = false)]
async fn a_refund_that_failed_after_it_was_made_is_found_refused(pool: PgPool) {
    let fails = Arc::<AtomicBool>::default();
    let shop = Harness::with(pool, |double| double.fickle(&fails)).await;
    let request = shop.captured().await;
    shop.hear_cancelled(&request).await.unwrap();
    shop.drain().await;
    let before = refresh(&shop, &request.order_id).await.unwrap();
    assert_eq!(before.status(), PaymentStatus::Refunded);

    // No event of it has reached us.
    fails.store(true, Ordering::SeqCst);
    let proposed = proposals(&shop).await;
    assert_eq!(proposed.len(), 1, "{proposed:?}");
    assert!(proposed[0].contains("RefreshPayment"), "{proposed:?}");
    for _ in 0..2 {
        let found = refresh(&shop, &request.order_id).await.unwrap();
        assert_eq!(found.status(), PaymentStatus::Captured);
        assert_eq!(found.refunds[0].status(), RefundStatus::Refused);
    }
}

#[sqlx::test(migrations = false)]
async fn what_nobody_was_asked_for_stays_as_it_is(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.requested("tok_ok").await;
    let found = refresh(&shop, &request.order_id).await.unwrap();
    assert_eq!(found.status(), PaymentStatus::Requested);

    shop.drain().await;
    shop.hear_cancelled(&request).await.unwrap();
    let found = refresh(&shop, &request.order_id).await.unwrap();
    assert_eq!(found.status(), PaymentStatus::Captured);
    assert_eq!(found.refunds[0].status(), RefundStatus::Requested);
    assert_eq!(shop.at_sandbox(&request).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn a_provider_that_does_not_answer_is_said(pool: PgPool) {
    let shop = Harness::new(pool).await;
    let request = shop.captured().await;
    sqlx::query("UPDATE sandbox.conditions SET mode = 'down'")
        .execute(&shop.pool)
        .await
        .unwrap();
    let away = refresh(&shop, &request.order_id).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    assert_eq!(reason(&away), "PROVIDER_UNAVAILABLE");
    assert_eq!(shop.status(&request).await, Status::Captured);

    let unknown = refresh(&shop, &request.payment_id).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}
