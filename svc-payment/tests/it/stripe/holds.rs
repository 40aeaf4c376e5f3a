//! Money that is held first, and taken or let go later.

use sqlx::PgPool;
use svc_kit::job::Progress;
use svc_payment::{payment::Status, provider::stripe::CaptureMode};

use super::{CAPTURED, GIVEN_BACK, GOOD, SOLD, only_intent, shop};
use crate::stripe_server::StripeServer;

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
