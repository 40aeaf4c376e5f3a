//! Putting back on sale what customers sent back.

use proto::souk::event::v1::OrderedLine;
use sqlx::PgPool;
use svc_kit::consumer::ConsumeError;

use crate::harness::{Order, Shop, new_id, order};

const CHANGED: &str = "souk.catalog.product_changed.v1";

/// What is on hand by the journal: brought in, adjusted, sold, returned.
async fn by_the_journal(shop: &Shop, product_id: &str, brought_in: i64) -> i64 {
    let product_id: uuid::Uuid = product_id.parse().unwrap();
    sqlx::query_scalar(
        "SELECT ($2
             + (SELECT coalesce(sum(delta), 0) FROM stock_adjustments WHERE product_id = $1)
             - (SELECT coalesce(sum(quantity), 0)
                FROM reservation_lines JOIN reservations USING (order_id)
                WHERE product_id = $1 AND status = 'committed')
             + (SELECT coalesce(sum(quantity), 0) FROM stock_return_lines WHERE product_id = $1)
         )::bigint",
    )
    .bind(product_id)
    .bind(brought_in)
    .fetch_one(shop.app.db.writer())
    .await
    .unwrap()
}

#[sqlx::test(migrations = false)]
async fn what_came_back_is_on_hand_again_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let (tent, mug) = (shop.given("Tent", 2).await, shop.given("Mug", 5).await);
    let bought = order(&[(&tent, 2), (&mug, 3)]);
    shop.placed(&bought).await.unwrap();
    shop.confirmed(&bought).await.unwrap();
    assert!(!shop.get(&tent.id).await.unwrap().in_stock);
    shop.forget_events().await;

    let came_back = Order {
        id: bought.id,
        ..order(&[(&tent, 1), (&mug, 1)])
    };
    let return_id = new_id();
    for _ in 0..2 {
        shop.returned(return_id, &came_back).await.unwrap();
        assert_eq!(shop.stock(&tent.id).await, (1, 0));
        assert_eq!(shop.stock(&mug.id).await, (3, 0));
    }
    assert_eq!(shop.events().await, [CHANGED], "the tent can be had again");
    assert!(shop.get(&tent.id).await.unwrap().in_stock);

    // Another return of the same order.
    shop.returned(new_id(), &came_back).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (2, 0));
    assert_eq!(by_the_journal(&shop, &tent.id, 2).await, 2);
    assert_eq!(by_the_journal(&shop, &mug.id, 5).await, 4);
}

#[sqlx::test(migrations = false)]
async fn word_of_the_return_may_come_before_word_of_the_sale(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 2).await;
    let bought = order(&[(&tent, 2)]);
    shop.placed(&bought).await.unwrap();
    shop.returned(new_id(), &bought).await.unwrap();
    shop.confirmed(&bought).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (2, 0));
    assert_eq!(by_the_journal(&shop, &tent.id, 2).await, 2);
}

#[sqlx::test(migrations = false)]
async fn what_is_broken_stays_off_the_shelf(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let nothing = Order {
        id: new_id(),
        lines: Vec::new(),
    };
    shop.returned(new_id(), &nothing).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn what_the_catalog_does_not_know_is_passed_over(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    let mut came_back = order(&[(&tent, 1)]);
    came_back.lines.push(OrderedLine {
        product_id: new_id().to_string(),
        quantity: 1,
    });
    shop.returned(new_id(), &came_back).await.unwrap();
    assert_eq!(shop.stock(&tent.id).await, (2, 0));

    came_back.lines[0].product_id = "7".to_owned();
    let refused = shop.returned(new_id(), &came_back).await;
    assert!(
        matches!(refused, Err(ConsumeError::Reject(_))),
        "{refused:?}"
    );
}
