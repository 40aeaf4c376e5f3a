//! BatchGetProducts.

use proto::souk::catalog::v1 as pb;
use sqlx::{Executor as _, PgPool};
use tonic::Code;

use crate::harness::{Shop, assert_refused, eur, new_id};

async fn batch(shop: &Shop, ids: &[String]) -> Result<pb::BatchGetProductsResponse, tonic::Status> {
    let request = pb::BatchGetProductsRequest { ids: ids.to_vec() };
    Ok(shop
        .client
        .clone()
        .batch_get_products(request)
        .await?
        .into_inner())
}

#[sqlx::test(migrations = false)]
async fn products_come_in_the_order_of_their_ids_and_missing_ones_are_named(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let (a, b) = (shop.given("A", 1).await, shop.given("B", 1).await);
    let nobody = new_id().to_string();
    let ids = [b.id.clone(), nobody.clone(), a.id.clone(), b.id.clone()];
    let answer = batch(&shop, &ids).await.unwrap();
    assert_eq!(answer.products, [b.clone(), a, b]);
    assert_eq!(answer.missing_ids, [nobody]);
}

#[sqlx::test(migrations = false)]
async fn between_1_and_100_products_can_be_asked_for(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_refused(
        batch(&shop, &[]).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    let many: Vec<String> = (0..101).map(|_| new_id().to_string()).collect();
    assert_refused(
        batch(&shop, &many).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_eq!(
        batch(&shop, &many[..100]).await.unwrap().missing_ids.len(),
        100
    );
    let bad = ["tent".to_owned()];
    assert_refused(
        batch(&shop, &bad).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
}

#[sqlx::test(migrations = false)]
async fn prices_are_those_of_the_database_whatever_the_cache_says(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let tent = shop.given("Tent", 1).await;
    shop.get(&tent.id).await.unwrap();
    // Behind the cache's back.
    shop.app
        .db
        .writer()
        .execute("UPDATE products SET price_minor = 1")
        .await
        .unwrap();
    let answer = batch(&shop, std::slice::from_ref(&tent.id)).await.unwrap();
    assert_eq!(answer.products[0].price, Some(eur(1)));
}
