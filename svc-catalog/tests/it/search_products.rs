//! SearchProducts and SuggestProducts, through gRPC.

use std::time::{Duration, Instant};

use proto::souk::catalog::v1 as pb;
use sqlx::{Executor as _, PgPool};
use tonic::{Code, Status};

use crate::{
    data::retail_shop,
    harness::{Shop, assert_refused, eur, tent},
};

async fn search(
    shop: &Shop,
    request: pb::SearchProductsRequest,
) -> Result<pb::SearchProductsResponse, Status> {
    Ok(shop
        .client
        .clone()
        .search_products(request)
        .await?
        .into_inner())
}

fn words(query: &str) -> pb::SearchProductsRequest {
    pb::SearchProductsRequest {
        query: query.to_owned(),
        ..Default::default()
    }
}

#[sqlx::test(migrations = false)]
async fn results_are_products_as_they_are_now(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let old = shop.given("Forest Tent", 1).await;
    let cheap = pb::Product {
        price: Some(eur(1)),
        ..old
    };
    let new = shop.update(cheap, &["price"]).await.unwrap();
    let found = search(&shop, words("forest")).await.unwrap();
    assert_eq!(found.products, [new]);
    assert_eq!(found.total_size, 1);
    assert!(found.next_page_token.is_empty());
}

#[sqlx::test(migrations = false)]
async fn pages_follow_one_another(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for n in 0..7 {
        shop.given(&format!("Tent {n}"), 1).await;
    }
    let mut request = pb::SearchProductsRequest {
        page_size: 3,
        ..words("tent")
    };
    let mut seen = Vec::new();
    loop {
        let page = search(&shop, request.clone()).await.unwrap();
        assert_eq!(page.total_size, 7);
        seen.extend(page.products.into_iter().map(|product| product.title));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[sqlx::test(migrations = false)]
async fn a_question_that_makes_no_sense_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let usd = proto::souk::r#type::v1::Money {
        currency_code: "USD".to_owned(),
        units: 1,
        nanos: 0,
    };
    let filters = [
        pb::SearchFilter {
            category_id: "No Slug".to_owned(),
            ..Default::default()
        },
        pb::SearchFilter {
            min_price: Some(eur(1)),
            max_price: Some(usd),
            ..Default::default()
        },
        pb::SearchFilter {
            attributes: vec![pb::AttributeFilter {
                name: "a".to_owned(),
                values: vec![],
            }],
            ..Default::default()
        },
    ];
    for filter in filters {
        let request = pb::SearchProductsRequest {
            filter: Some(filter),
            ..words("tent")
        };
        assert_refused(
            search(&shop, request).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
    }
    let request = pb::SearchProductsRequest {
        page_token: "?".to_owned(),
        ..words("")
    };
    assert_refused(
        search(&shop, request).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    let request = pb::SearchProductsRequest {
        page_size: -1,
        ..words("")
    };
    assert_refused(
        search(&shop, request).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
}

#[sqlx::test(migrations = false)]
async fn each_title_is_suggested_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    for _ in 0..3 {
        shop.create(tent("Forest Tent"), 1).await.unwrap();
    }
    shop.given("Deep Forest Lamp", 1).await;
    let request = pb::SuggestProductsRequest {
        prefix: "for".to_owned(),
        page_size: 5,
    };
    let answer = shop
        .client
        .clone()
        .suggest_products(request)
        .await
        .unwrap()
        .into_inner();
    let texts: Vec<&str> = answer.suggestions.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["Forest Tent", "Deep Forest Lamp"]);
}

/// Takes half a minute, and a quiet machine: `cargo test -p svc-catalog --
/// --ignored --nocapture search_speed`.
#[ignore = "measures"]
#[sqlx::test(migrations = false)]
async fn search_speed_at_ten_thousand_products(pool: PgPool) {
    let Some(shop) = retail_shop(pool).await else {
        return;
    };
    let db = shop.app.db.writer();
    db.execute(
        "INSERT INTO products (id, sku, title, description, category_id, currency, price_minor,
             attributes, images, facet_terms, in_stock, version, create_time, update_time)
         SELECT gen_random_uuid(), sku || '-' || copy, title, description, category_id, currency,
             price_minor, attributes, images, facet_terms, in_stock, version,
             create_time + copy * interval '1 second', update_time
         FROM products, generate_series(1, 3) AS copy",
    )
    .await
    .unwrap();
    db.execute("VACUUM ANALYZE products").await.unwrap();
    let mut slow = Vec::new();
    for query in [
        "",
        "backpack",
        "expedition bakpack",
        "leather",
        "perfect",
        "the perfect gift for you",
        "stylish elegant comfortable design",
        "iphne",
        "s",
        "expedtion bakpak tnet lether",
        "xylophone",
        "blue cotton shirt",
        "a b c d e f g h i j",
        "durable",
        "with",
        "and",
    ] {
        for sort in [0, 2] {
            let mut times: Vec<Duration> = Vec::new();
            let mut total = 0;
            for _ in 0..15 {
                let begun = Instant::now();
                let answer = search(
                    &shop,
                    pb::SearchProductsRequest {
                        sort,
                        ..words(query)
                    },
                )
                .await;
                times.push(begun.elapsed());
                total = answer.unwrap().total_size;
            }
            times.sort();
            println!(
                "{query:?} sort {sort}: median {:?}, worst {:?}, {total} match",
                times[7], times[14]
            );
            slow.push(times[14]);
        }
    }
    for prefix in ["s", "exp", "expedtion", "le"] {
        let begun = Instant::now();
        let request = pb::SuggestProductsRequest {
            prefix: prefix.to_owned(),
            page_size: 0,
        };
        let answer = shop
            .client
            .clone()
            .suggest_products(request)
            .await
            .unwrap()
            .into_inner();
        println!(
            "suggest {prefix:?}: {:?}, {}",
            begun.elapsed(),
            answer.suggestions.len()
        );
    }
    println!("worst of all: {:?}", slow.iter().max().unwrap());
}
