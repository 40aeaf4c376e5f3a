//! ListProducts.

use std::time::Duration;

use proto::souk::catalog::v1 as pb;
use sqlx::PgPool;
use tonic::{Code, Status};

use crate::harness::{Shop, assert_refused, tent};

async fn list(
    shop: &Shop,
    category: &str,
    size: i32,
    token: &str,
) -> Result<pb::ListProductsResponse, Status> {
    let request = pb::ListProductsRequest {
        category_id: category.to_owned(),
        page_size: size,
        page_token: token.to_owned(),
    };
    Ok(shop
        .client
        .clone()
        .list_products(request)
        .await?
        .into_inner())
}

#[sqlx::test(migrations = false)]
async fn pages_hold_each_product_once_newest_first(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let mut titles = Vec::new();
    for n in 0..7 {
        let title = format!("Tent {n}");
        shop.given(&title, 1).await;
        titles.insert(0, title);
        if n % 2 == 0 {
            // Two at a time share their moment.
            shop.app.clock.advance(Duration::from_secs(1));
        }
    }
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = list(&shop, "", 3, &token).await.unwrap();
        seen.extend(page.products);
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // What comes in between does not shift the pages.
        shop.given("Late", 1).await;
    }
    assert_eq!(pages, 3);
    let mut times: Vec<_> = seen
        .iter()
        .map(|p| p.create_time.as_ref().unwrap().seconds)
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b));
    times.dedup();
    assert_eq!(times.len(), 4);
    let mut seen: Vec<String> = seen.into_iter().map(|product| product.title).collect();
    seen.sort();
    titles.sort();
    assert_eq!(seen, titles);
}

#[sqlx::test(migrations = false)]
async fn a_category_holds_what_is_below_it(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let below = shop.given("Tent", 1).await;
    let book = pb::Product {
        category_id: "books".to_owned(),
        ..tent("Book")
    };
    let book = shop.create(book, 1).await.unwrap();
    let outdoors = list(&shop, "outdoors", 0, "").await.unwrap();
    assert_eq!(outdoors.products, [below]);
    assert!(outdoors.next_page_token.is_empty());
    assert_eq!(list(&shop, "books", 0, "").await.unwrap().products, [book]);
}

#[sqlx::test(migrations = false)]
async fn a_bad_page_or_category_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    assert_refused(
        list(&shop, "nowhere", 0, "").await,
        Code::NotFound,
        "CATEGORY_NOT_FOUND",
    );
    assert_refused(
        list(&shop, "No Slug", 0, "").await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_refused(
        list(&shop, "", -1, "").await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_refused(
        list(&shop, "", 0, "bad!").await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
}
