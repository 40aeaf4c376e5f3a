//! AdjustStock and GetStock.

use proto::souk::catalog::v1 as pb;
use sqlx::PgPool;
use tonic::Code;

use crate::harness::{Shop, assert_refused, new_id, order};

#[sqlx::test(migrations = false)]
async fn a_repeated_request_changes_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let (tent, other) = (shop.given("Tent", 1).await, shop.given("Other", 1).await);
    let request_id = new_id();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let mut client = shop.client.clone();
        let request = pb::AdjustStockRequest {
            product_id: tent.id.clone(),
            delta: 5,
            request_id: request_id.to_string(),
            reason: "delivery".to_owned(),
        };
        tasks.push(tokio::spawn(
            async move { client.adjust_stock(request).await },
        ));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().into_inner().on_hand, 6);
    }
    shop.adjust(&tent.id, -2).await.unwrap();
    assert_eq!(
        shop.adjust_as(&tent.id, 5, request_id)
            .await
            .unwrap()
            .on_hand,
        6
    );
    assert_eq!(shop.stock(&tent.id).await, (4, 0));

    for (id, delta) in [(&tent.id, 7), (&other.id, 5)] {
        let reused = shop.adjust_as(id, delta, request_id).await;
        assert_refused(reused, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    }
    assert_eq!(shop.stock(&other.id).await, (1, 0));
}

#[sqlx::test(migrations = false)]
async fn what_is_reserved_cannot_be_taken(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 5).await;
    shop.placed(&order(&[(&tent, 3)])).await.unwrap();
    let too_much = shop.adjust(&tent.id, -3).await;
    assert_refused(too_much, Code::FailedPrecondition, "STOCK_INSUFFICIENT");
    assert_eq!(shop.adjust(&tent.id, -2).await.unwrap().on_hand, 3);
    assert_eq!(shop.stock(&tent.id).await, (3, 3));
}

#[sqlx::test(migrations = false)]
async fn the_last_piece_and_the_first_one_change_the_product_and_no_other(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 5).await;
    shop.forget_events().await;
    shop.adjust(&tent.id, -4).await.unwrap();
    assert!(shop.events().await.is_empty());

    shop.adjust(&tent.id, -1).await.unwrap();
    let gone = shop.get(&tent.id).await.unwrap();
    assert!(!gone.in_stock);
    assert_ne!(gone.etag, tent.etag);

    shop.adjust(&tent.id, 9).await.unwrap();
    assert!(shop.get(&tent.id).await.unwrap().in_stock);
    shop.adjust(&tent.id, 1).await.unwrap();
    let versions: Vec<i64> = shop
        .product_changes()
        .await
        .iter()
        .map(|change| change.version)
        .collect();
    assert_eq!(versions, [2, 3]);
}

#[sqlx::test(migrations = false)]
async fn an_adjustment_that_makes_no_sense_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    for delta in [0, i64::MAX, i64::MIN, 1_000_000_000] {
        let refused = shop.adjust(&tent.id, delta).await;
        assert_refused(refused, Code::InvalidArgument, "DELTA_INVALID");
    }
    let nobody = new_id().to_string();
    assert_refused(
        shop.adjust(&nobody, 1).await,
        Code::NotFound,
        "PRODUCT_NOT_FOUND",
    );
    let mut client = shop.client.clone();
    let anonymous = pb::AdjustStockRequest {
        product_id: tent.id,
        delta: 1,
        ..Default::default()
    };
    assert_refused(
        client.adjust_stock(anonymous).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
}
