use sqlx::PgPool;
use svc_kit::job::Progress;
use svc_notify::{
    delivery::{MAX_ATTEMPTS, SendError, Status},
    send_delivery::{CLAIMED_TOGETHER, conclude_failed},
};

use crate::harness::{Harness, LONG, directory, mails};

#[sqlx::test(migrations = false)]
async fn workers_beside_each_other_send_each_mail_once(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let mut people = Vec::new();
    // More than one of them claims at once.
    for _ in 0..5 * CLAIMED_TOGETHER {
        people.push(shop.ana().await);
    }
    let workers: Vec<_> = (0..5)
        .map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.drain().await })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    for who in &people {
        let delivery = &shop.deliveries(who).await[0];
        assert_eq!((delivery.status, delivery.attempts), (Status::Sent, 1));
    }
    assert_eq!(mails(directory.path()).len(), people.len());
}

#[sqlx::test(migrations = false)]
async fn a_mail_that_never_leaves_is_given_up_in_the_end(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    for attempt in 1..=MAX_ATTEMPTS {
        let claimed = shop.claim().await;
        assert_eq!(claimed.attempt, attempt);
        let away = SendError::Later("CONNECTION".to_owned());
        conclude_failed(&shop.app, &claimed, &away).await.unwrap();
        assert_eq!(shop.step().await, Progress::Idle, "there is a pause");
        shop.clock.advance(LONG);
    }
    let delivery = &shop.deliveries(&ana).await[0];
    assert_eq!(delivery.status, Status::Failed);
    assert_eq!(delivery.last_error.as_deref(), Some("CONNECTION"));
    assert_eq!(shop.step().await, Progress::Idle);
}

#[sqlx::test(migrations = false)]
async fn a_late_failure_does_not_undo_a_success(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let ana = shop.ana().await;
    let slow = shop.claim().await;
    shop.clock.advance(LONG);
    shop.drain().await;

    let rejected = SendError::Rejected("SMTP_550".to_owned());
    conclude_failed(&shop.app, &slow, &rejected).await.unwrap();

    let delivery = &shop.deliveries(&ana).await[0];
    assert_eq!(
        (delivery.status, delivery.last_error.as_deref()),
        (Status::Sent, None)
    );
}

#[sqlx::test(migrations = false)]
async fn a_delivery_that_makes_no_sense_keeps_no_other_from_being_sent(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let broken = shop.ana().await;
    let ana = shop.ana().await;
    sqlx::query("UPDATE deliveries SET notice = '{}' WHERE account_id = $1")
        .bind(broken.account_id().0)
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.drain().await;
    assert_eq!(shop.deliveries(&ana).await[0].status, Status::Sent);
    assert_eq!(shop.deliveries(&broken).await[0].status, Status::Queued);
}

#[sqlx::test(migrations = false)]
async fn what_is_no_address_fails_at_once(pool: PgPool) {
    let directory = directory();
    let shop = Harness::with_files(pool, directory.path()).await;
    let nobody = shop.somebody("nobody", "Nobody");
    shop.registered(&nobody).await.unwrap();
    shop.drain().await;
    let delivery = &shop.deliveries(&nobody).await[0];
    assert_eq!(delivery.status, Status::Failed);
    assert_eq!(delivery.last_error.as_deref(), Some("ADDRESS_INVALID"));
}
