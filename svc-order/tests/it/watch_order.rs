//! Watching an order.

use sqlx::PgPool;
use svc_kit::{error::Kind, testing};
use svc_order::{
    cancel_order::cancel_order, deliver_order::deliver_order, order::Status,
    ship_order::ship_order, watch_order::watch_order,
};

use crate::support::{Shop, captured, dhl, kind, next, reason, refunded};

#[sqlx::test(migrations = false)]
async fn each_change_is_seen_on_another_replica_until_the_order_arrives(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let replica = shop.replica();
    shop.listen(&replica);
    let mut orders = Box::pin(
        watch_order(&replica, &shop.customer, order.id)
            .await
            .unwrap(),
    );
    let mut seen = async || next(&mut orders).await.map(|order| order.unwrap().status);

    assert_eq!(seen().await, Some(Status::Pending));
    shop.stock_reserved(order.id).await.unwrap();
    assert_eq!(seen().await, Some(Status::Reserved));
    shop.captured(captured(&shop.reload(order.id).await))
        .await
        .unwrap();
    assert_eq!(seen().await, Some(Status::Confirmed));
    ship_order(&shop.app, order.id, dhl()).await.unwrap();
    assert_eq!(seen().await, Some(Status::Shipped));
    deliver_order(&shop.app, order.id).await.unwrap();
    assert_eq!(seen().await, Some(Status::Delivered));
    assert_eq!(seen().await, None);
    drop(orders);
    assert_eq!(
        (replica.watchers.count(), replica.order_changes.topics()),
        (0, 0)
    );
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_is_watched_until_it_is_refunded(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_confirmed().await;
    shop.listen(&shop.app);
    let mut orders = Box::pin(
        watch_order(&shop.app, &shop.customer, order.id)
            .await
            .unwrap(),
    );
    assert_eq!(
        next(&mut orders).await.unwrap().unwrap().status,
        Status::Confirmed
    );

    cancel_order(&shop.app, &shop.customer, order.id)
        .await
        .unwrap();
    assert_eq!(
        next(&mut orders).await.unwrap().unwrap().status,
        Status::Cancelled
    );
    shop.refunded(refunded(&order)).await.unwrap();
    assert!(next(&mut orders).await.unwrap().unwrap().refunded);
    assert!(next(&mut orders).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn a_final_order_is_seen_once(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    shop.stock_rejected(order.id).await.unwrap();
    let mut orders = Box::pin(
        watch_order(&shop.app, &shop.customer, order.id)
            .await
            .unwrap(),
    );
    assert_eq!(
        next(&mut orders).await.unwrap().unwrap().status,
        Status::Cancelled
    );
    assert!(next(&mut orders).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn a_watch_ends_when_the_process_stops(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let stop = shop.listen(&shop.app);
    let mut orders = Box::pin(
        watch_order(&shop.app, &shop.customer, order.id)
            .await
            .unwrap(),
    );
    next(&mut orders).await.unwrap().unwrap();

    stop.stop();
    let error = next(&mut orders).await.unwrap().unwrap_err();
    assert_eq!(
        (kind(&error), reason(&error)),
        (Kind::Unavailable, "WATCH_ENDED")
    );
    assert!(next(&mut orders).await.is_none());
}

#[sqlx::test(migrations = false)]
async fn anothers_order_cannot_be_watched(pool: PgPool) {
    let shop = Shop::new(pool).await;
    let order = shop.given_pending().await;
    let error = watch_order(&shop.app, &testing::caller(), order.id)
        .await
        .err()
        .unwrap();
    assert_eq!(reason(&error), "ORDER_NOT_FOUND");
    assert_eq!(shop.app.watchers.count(), 0);
}
