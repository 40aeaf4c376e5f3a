//! CreateCategory and ListCategories.

use proto::souk::catalog::v1 as pb;
use sqlx::PgPool;
use tonic::Code;

use crate::harness::{Shop, assert_refused};

async fn ids(shop: &Shop) -> Vec<String> {
    let request = pb::ListCategoriesRequest {};
    let answer = shop
        .client
        .clone()
        .list_categories(request)
        .await
        .unwrap()
        .into_inner();
    answer
        .categories
        .into_iter()
        .map(|category| category.id)
        .collect()
}

#[sqlx::test(migrations = false)]
async fn parents_come_before_their_children(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.category("arctic", "tents").await.unwrap();
    assert_eq!(ids(&shop).await, ["books", "outdoors", "tents", "arctic"]);
}

#[sqlx::test(migrations = false)]
async fn a_new_category_is_announced_and_a_known_one_is_found(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let new = shop.category("arctic", "tents").await.unwrap();
    let changes = shop.product_changes().await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].tags, ["categories"]);

    assert_eq!(shop.category("arctic", "tents").await.unwrap(), new);
    assert_eq!(shop.product_changes().await.len(), 1);
    let other = shop.category("arctic", "books").await;
    assert_refused(other, Code::AlreadyExists, "CATEGORY_EXISTS");
}

#[sqlx::test(migrations = false)]
async fn a_category_that_breaks_a_rule_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let orphan = shop.category("arctic", "nowhere").await;
    assert_refused(orphan, Code::InvalidArgument, "CATEGORY_UNKNOWN");
    assert_refused(
        shop.category("No Slug", "").await,
        Code::InvalidArgument,
        "ID_INVALID",
    );
    let mut parent = "tents".to_owned();
    for depth in 3..=8 {
        let id = format!("depth-{depth}");
        shop.category(&id, &parent).await.unwrap();
        parent = id;
    }
    let deep = shop.category("deeper", &parent).await;
    assert_refused(deep, Code::InvalidArgument, "CATEGORY_TOO_DEEP");
}
