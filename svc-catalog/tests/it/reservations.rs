//! What orders do to stock.

use std::time::Duration;

use prost::Message as _;
use proto::souk::event::v1::{OrderedLine, StockRejected};
use sqlx::{Executor as _, PgPool, Row as _};
use svc_catalog::jobs::ChaseReservations;
use svc_kit::{
    consumer::{ConsumeError, Delivered},
    job::{Job as _, Progress},
};

use crate::harness::{Order, Shop, new_id, order};

const RESERVED: &str = "souk.stock.reserved.v1";
const REJECTED: &str = "souk.stock.rejected.v1";
const OVERDUE: &str = "souk.stock.overdue.v1";
const CHANGED: &str = "souk.catalog.product_changed.v1";

async fn chase(shop: &Shop) {
    shop.app.clock.advance(Duration::from_secs(1801));
    let job = ChaseReservations {
        app: shop.app.clone(),
    };
    while job.step().await.unwrap() == Progress::More {}
}

#[sqlx::test(migrations = false)]
async fn of_twenty_who_want_the_last_one_exactly_one_gets_it(pool: PgPool) {
    let shop = std::sync::Arc::new(Shop::open(pool).await);
    let tent = shop.given("Tent", 1).await;
    shop.forget_events().await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (shop, order) = (shop.clone(), order(&[(&tent, 1)]));
        tasks.push(tokio::spawn(
            async move { shop.placed(&order).await.unwrap() },
        ));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let events = shop.events().await;
    let count = |subject: &str| events.iter().filter(|event| *event == subject).count();
    assert_eq!(
        (count(RESERVED), count(REJECTED), count(CHANGED)),
        (1, 19, 1)
    );
    assert_eq!(shop.stock(&tent.id).await, (1, 1));
    assert!(!shop.get(&tent.id).await.unwrap().in_stock);
}

#[sqlx::test(migrations = false)]
async fn all_lines_are_reserved_or_none(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let (many, few) = (shop.given("Many", 10).await, shop.given("Few", 1).await);
    shop.forget_events().await;
    let mut too_much = order(&[(&many, 2), (&few, 1), (&few, 1)]);
    let nobody = new_id().to_string();
    too_much.lines.push(OrderedLine {
        product_id: nobody.clone(),
        quantity: 1,
    });
    shop.placed(&too_much).await.unwrap();
    assert_eq!(shop.events().await, [REJECTED]);
    let row = shop
        .app
        .db
        .writer()
        .fetch_one("SELECT payload FROM outbox")
        .await
        .unwrap();
    let event = StockRejected::decode(row.get::<Vec<u8>, _>(0).as_slice()).unwrap();
    assert_eq!(event.reason, "STOCK_INSUFFICIENT");
    let mut short = vec![few.id.clone(), nobody];
    short.sort();
    assert_eq!(event.product_ids, short);
    assert_eq!(shop.stock(&many.id).await, (10, 0));
    assert_eq!(shop.stock(&few.id).await, (1, 0));

    shop.placed(&order(&[(&many, 2), (&few, 1)])).await.unwrap();
    assert_eq!(shop.stock(&many.id).await, (10, 2));
    assert_eq!(shop.stock(&few.id).await, (1, 1));
}

#[sqlx::test(migrations = false)]
async fn an_order_reserves_once_however_often_it_is_announced(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 10).await;
    shop.forget_events().await;
    let (order, event_id) = (order(&[(&tent, 2)]), new_id());
    assert_eq!(
        shop.placed_as(&order, event_id).await.unwrap(),
        Delivered::Handled
    );
    assert_eq!(
        shop.placed_as(&order, event_id).await.unwrap(),
        Delivered::Duplicate
    );
    assert_eq!(shop.events().await, [RESERVED]);

    // Asked anew, it says the same anew.
    shop.placed(&order).await.unwrap();
    assert_eq!(shop.events().await, [RESERVED, RESERVED]);
    assert_eq!(shop.stock(&tent.id).await, (10, 2));
}

#[sqlx::test(migrations = false)]
async fn an_order_that_was_cancelled_before_it_came_reserves_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    shop.forget_events().await;
    let order = order(&[(&tent, 1)]);
    shop.cancelled(&order).await.unwrap();
    shop.placed(&order).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (1, 0));
    assert!(shop.events().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn a_cancelled_order_gives_back_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 2).await;
    let (first, second) = (order(&[(&tent, 1)]), order(&[(&tent, 1)]));
    shop.placed(&first).await.unwrap();
    shop.placed(&second).await.unwrap();
    assert!(!shop.get(&tent.id).await.unwrap().in_stock);
    shop.forget_events().await;
    shop.cancelled(&first).await.unwrap();
    shop.cancelled(&first).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (2, 1));
    assert!(shop.get(&tent.id).await.unwrap().in_stock);
    assert_eq!(shop.events().await, [CHANGED]);
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_takes_its_stock_and_a_late_cancellation_brings_it_back(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 3).await;
    let order = order(&[(&tent, 3)]);
    shop.placed(&order).await.unwrap();
    shop.forget_events().await;
    shop.confirmed(&order).await.unwrap();
    shop.confirmed(&order).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (0, 0));
    assert!(
        shop.events().await.is_empty(),
        "nothing can be ordered less than before"
    );

    shop.cancelled(&order).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (3, 0));
    shop.confirmed(&order).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (3, 0), "cancelled is the end");
}

#[sqlx::test(migrations = false)]
async fn a_cancellation_that_overtakes_the_confirmation_wins(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 3).await;
    let order = order(&[(&tent, 1)]);
    shop.placed(&order).await.unwrap();
    shop.cancelled(&order).await.unwrap();
    shop.confirmed(&order).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (3, 0));
}

#[sqlx::test(migrations = false)]
async fn what_is_held_for_too_long_is_asked_about_and_stays_reserved(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let slow = order(&[(&tent, 1)]);
    shop.placed(&slow).await.unwrap();
    shop.forget_events().await;
    chase(&shop).await;
    assert_eq!(shop.events().await, [OVERDUE]);
    assert_eq!(shop.stock(&tent.id).await, (1, 1), "it may be paid by now");
    chase(&shop).await;
    assert_eq!(shop.events().await, [OVERDUE, OVERDUE], "asked again");

    // Word of the payment was long on its way, and nothing is oversold.
    shop.confirmed(&slow).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (0, 0));
    chase(&shop).await;
    assert_eq!(
        shop.events().await.len(),
        2,
        "nobody asks about it any more"
    );
}

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_without_a_reservation_takes_what_is_there(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 2).await;
    let (lucky, late) = (order(&[(&tent, 2)]), order(&[(&tent, 1)]));
    shop.confirmed(&lucky).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (0, 0));
    assert!(!shop.get(&tent.id).await.unwrap().in_stock);
    // Somebody has to be told, nothing breaks.
    shop.confirmed(&late).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (0, 0));
    shop.cancelled(&late).await.unwrap();
    shop.cancelled(&lucky).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (2, 0));
}

#[sqlx::test(migrations = false)]
async fn a_batch_of_orders_is_served_in_its_order_by_one_write(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let (tent, stove) = (shop.given("Tent", 10).await, shop.given("Stove", 3).await);
    shop.forget_events().await;
    let mut orders: Vec<Order> = (0..12).map(|_| order(&[(&tent, 1)])).collect();
    orders.push(order(&[(&tent, 1), (&stove, 1)]));
    orders.push(order(&[(&stove, 3)]));
    let again = Order {
        id: orders[0].id,
        lines: orders[0].lines.clone(),
    };
    orders.push(again);
    shop.placed_together(&orders).await;
    assert_eq!(shop.stock(&tent.id).await, (10, 10));
    assert_eq!(shop.stock(&stove.id).await, (3, 3), "whole orders alone");
    let events = shop.events().await;
    let count = |subject: &str| events.iter().filter(|event| *event == subject).count();
    assert_eq!(
        (count(RESERVED), count(REJECTED), count(CHANGED)),
        (12, 3, 2),
        "ten tents, one of them told twice, and the stoves"
    );
}

#[sqlx::test(migrations = false)]
async fn orders_that_share_products_do_not_wait_in_a_circle(pool: PgPool) {
    let shop = std::sync::Arc::new(Shop::open(pool).await);
    let (a, b) = (shop.given("A", 30).await, shop.given("B", 30).await);
    let mut tasks = Vec::new();
    for n in 0..20 {
        let lines = if n % 2 == 0 {
            [(&a, 1), (&b, 2)]
        } else {
            [(&b, 1), (&a, 2)]
        };
        let (shop, order) = (shop.clone(), order(&lines));
        tasks.push(tokio::spawn(async move {
            shop.placed(&order).await.unwrap();
            if n % 4 < 2 {
                shop.confirmed(&order).await.unwrap();
            } else {
                shop.cancelled(&order).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(shop.stock(&a.id).await, (15, 0));
    assert_eq!(shop.stock(&b.id).await, (15, 0));
}

#[sqlx::test(migrations = false)]
async fn an_order_that_makes_no_sense_is_rejected(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let bad: [Order; 3] = [
        order(&[]),
        order(&[(&tent, 0)]),
        Order {
            id: new_id(),
            lines: vec![OrderedLine {
                product_id: "tent".to_owned(),
                quantity: 1,
            }],
        },
    ];
    for order in bad {
        let outcome = shop.placed(&order).await;
        assert!(
            matches!(outcome, Err(ConsumeError::Reject(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(shop.count("reservations").await, 0);
}
