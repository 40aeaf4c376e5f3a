//! Helping checkouts that got stuck.

use std::time::Duration;

use sqlx::PgPool;
use svc_kit::{caller::Caller, error::Kind, id::AccountId, testing};
use svc_order::{
    audit::Action,
    compensate_checkout::compensate_checkout,
    list_audit_records::{ListAuditRecords, list_audit_records},
    list_stuck_checkouts::{ListStuckCheckouts, StuckPage, list_stuck_checkouts},
    order::{OrderId, Status},
    retry_checkout::retry_checkout,
};

use crate::support::{CANCELLED, PLACED, REQUESTED, Shop, captured, kind, reason, reason_of, uuid};

async fn stuck(shop: &Shop, min_age: Duration, after: Option<OrderId>) -> StuckPage {
    let query = ListStuckCheckouts {
        min_age,
        page_size: 2,
        after,
    };
    list_stuck_checkouts(&shop.app, query).await.unwrap()
}

fn ids(page: &StuckPage) -> Vec<OrderId> {
    page.checkouts.iter().map(|stuck| stuck.order_id).collect()
}

async fn audited(shop: &Shop, id: OrderId) -> Vec<(Action, AccountId, String)> {
    let query = ListAuditRecords {
        order_id: Some(id),
        page_size: 10,
        after: None,
    };
    let page = list_audit_records(&shop.app, query).await.unwrap();
    page.records
        .into_iter()
        .map(|record| (record.action, record.actor_id, record.reason))
        .collect()
}

fn staff() -> Caller {
    testing::caller()
}

#[sqlx::test(migrations = false)]
async fn unfinished_checkouts_are_listed_oldest_first(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let pending = shop.given_pending().await;
    shop.app.clock.advance(Duration::from_secs(30));
    let reserved = shop.given_reserved().await;
    shop.given_confirmed().await;
    shop.app.clock.advance(Duration::from_secs(30));
    let young = shop.given_pending().await;

    let page = stuck(&shop, Duration::ZERO, None).await;
    assert_eq!(ids(&page), [pending.id, reserved.id]);
    let rest = stuck(&shop, Duration::ZERO, page.next).await;
    assert_eq!((ids(&rest), rest.next), (vec![young.id], None));
    let old = stuck(&shop, Duration::from_secs(30), None).await;
    assert_eq!((ids(&old), old.next), (vec![pending.id, reserved.id], None));

    let first = &page.checkouts[0];
    assert_eq!(
        (first.status, first.age, first.announcements),
        (Status::Pending, Duration::from_mins(1), 0)
    );
    assert_eq!(first.account_id, shop.customer.account_id);
    assert_eq!(first.next_check_at, pending.next_check_at);
    assert_eq!(page.checkouts[1].status, Status::Reserved);
}

#[sqlx::test(migrations = false)]
async fn why_a_checkout_cannot_be_resumed_is_kept_until_it_can(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let set_address = |address: &'static str| {
        sqlx::query("UPDATE orders SET shipping_address = $2::jsonb WHERE id = $1")
            .bind(order.id.0)
            .bind(address)
            .execute(shop.db().writer())
    };
    let good: String = sqlx::query_scalar("SELECT shipping_address::text FROM orders")
        .fetch_one(shop.db().writer())
        .await
        .unwrap();
    set_address("[]").await.unwrap();
    shop.app.clock.advance(Duration::from_secs(61));
    shop.resume_checkouts().await;

    let page = stuck(&shop, Duration::ZERO, None).await;
    let error = page.checkouts[0].last_error.clone().unwrap();
    assert!(error.contains("shipping_address"), "{error}");

    set_address(good.leak()).await.unwrap();
    shop.app.clock.advance(Duration::from_mins(5));
    shop.resume_checkouts().await;
    let page = stuck(&shop, Duration::ZERO, None).await;
    assert_eq!(page.checkouts[0].last_error, None);
    assert_eq!(shop.outbox().await, [PLACED, PLACED]);
}

#[sqlx::test(migrations = false)]
async fn a_step_is_announced_again_at_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (pending, reserved) = (shop.given_pending().await, shop.given_reserved().await);
    let staff = staff();
    for order in [&pending, &reserved] {
        let retried = retry_checkout(&shop.app, &staff, order.id, "catalog was away")
            .await
            .unwrap();
        assert_eq!(retried.announcements, 1);
        assert_eq!(shop.reload(order.id).await, retried);
        let record = (
            Action::CheckoutRetried,
            staff.account_id,
            "catalog was away".to_owned(),
        );
        assert_eq!(audited(&shop, order.id).await, [record]);
    }
    assert_eq!(
        shop.outbox().await,
        [PLACED, PLACED, REQUESTED, PLACED, REQUESTED]
    );
    // The same payment was asked for, so nothing is charged twice.
    assert_eq!(
        shop.reload(reserved.id).await.payment_id,
        reserved.payment_id
    );
}

#[sqlx::test(migrations = false)]
async fn a_compensated_checkout_is_cancelled_once_and_a_late_capture_is_noted(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let (pending, reserved) = (shop.given_pending().await, shop.given_reserved().await);
    let staff = staff();
    for order in [&pending, &reserved] {
        for _ in 0..2 {
            let cancelled = compensate_checkout(&shop.app, &staff, order.id, "asked to")
                .await
                .unwrap();
            assert_eq!(
                (cancelled.status, reason_of(&cancelled)),
                (Status::Cancelled, "CHECKOUT_COMPENSATED")
            );
        }
        assert_eq!(audited(&shop, order.id).await.len(), 1);
    }
    assert_eq!(
        shop.outbox().await,
        [PLACED, PLACED, REQUESTED, CANCELLED, CANCELLED]
    );
    shop.captured(captured(&reserved)).await.unwrap();
    assert!(shop.reload(reserved.id).await.paid);
}

#[sqlx::test(migrations = false)]
async fn what_has_come_to_an_end_is_left_alone(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    let staff = staff();
    for (id, expected) in [
        (order.id, (Kind::Conflict, "CHECKOUT_FINISHED")),
        (OrderId(uuid()), (Kind::NotFound, "ORDER_NOT_FOUND")),
    ] {
        for error in [
            retry_checkout(&shop.app, &staff, id, "why not").await,
            compensate_checkout(&shop.app, &staff, id, "why not").await,
        ] {
            let error = error.unwrap_err();
            assert_eq!((kind(&error), reason(&error)), expected);
        }
        assert_eq!(audited(&shop, id).await, []);
    }
    assert_eq!(shop.reload(order.id).await, order);
}

#[sqlx::test(migrations = false)]
async fn a_wrong_clock_cancels_early_or_late_and_breaks_nothing(pool: PgPool) {
    let mut shop = Shop::new(pool).await;
    let (pending, reserved) = (shop.given_pending().await, shop.given_reserved().await);
    let confirmed = shop.given_confirmed().await;
    let announced = shop.outbox().await.len();

    // Behind: what is due is not seen, however late it is by the true time.
    shop.app.rules.clock_offset = chrono::TimeDelta::hours(-2);
    shop.app.clock.advance(Duration::from_mins(30));
    shop.resume_checkouts().await;
    assert_eq!(shop.outbox().await.len(), announced);
    // A little ahead: announced again before its time.
    let young = shop.given_reserved().await;
    shop.app.rules.clock_offset = chrono::TimeDelta::minutes(-28);
    shop.resume_checkouts().await;
    let mut again = shop.outbox().await.split_off(announced + 2);
    again.sort();
    assert_eq!(
        again,
        [PLACED, REQUESTED],
        "the young one is not due by that clock"
    );
    // Far ahead: all that is unfinished is cancelled, and nothing else.
    shop.app.rules.clock_offset = chrono::TimeDelta::hours(2);
    shop.resume_checkouts().await;
    shop.resume_checkouts().await;
    for order in [&pending, &reserved, &young] {
        let now = shop.reload(order.id).await;
        assert_eq!(
            (now.status, reason_of(&now)),
            (Status::Cancelled, "CHECKOUT_TIMEOUT")
        );
    }
    assert_eq!(shop.reload(confirmed.id).await, confirmed);
    let all = shop.outbox().await;
    assert_eq!(all.iter().filter(|it| *it == CANCELLED).count(), 3);
    // A capture that comes now is money to be given back, and noted as such.
    shop.captured(captured(&reserved)).await.unwrap();
    let late = shop.reload(reserved.id).await;
    assert!(late.paid && late.status == Status::Cancelled);
    shop.refunded(crate::support::refunded(&reserved))
        .await
        .unwrap();
    assert!(shop.reload(reserved.id).await.is_final());
}
