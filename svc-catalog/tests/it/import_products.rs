//! ImportProducts.

use std::time::Instant;

use proto::souk::{catalog::v1 as pb, r#type::v1::Money};
use sqlx::PgPool;
use tonic::Code;

use crate::{
    data::{import, retail, retail_shop},
    harness::{PATIENCE, Shop, assert_refused, eur, new_id, tent},
};

fn row(line: i64, product: pb::Product) -> pb::ImportRow {
    pb::ImportRow {
        line,
        product: Some(product),
        initial_stock: 4,
    }
}

fn with_sku(sku: &str, title: &str) -> pb::Product {
    pb::Product {
        sku: sku.to_owned(),
        ..tent(title)
    }
}

#[sqlx::test(migrations = false)]
async fn new_rows_are_added_changed_ones_change_and_the_same_ones_do_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let by_id = pb::Product {
        id: new_id().to_string(),
        ..tent("By id")
    };
    let rows = [
        row(1, by_id.clone()),
        row(2, with_sku("A", "By sku")),
        row(3, with_sku("B", "Same")),
    ];
    assert_eq!(import(&shop, &rows).await, (3, 0, 0, vec![]));
    assert_eq!(shop.product_changes().await.len(), 3);
    assert_eq!(shop.stock(&by_id.id).await, (4, 0));

    shop.forget_events().await;
    assert_eq!(import(&shop, &rows).await, (0, 0, 3, vec![]));
    assert!(
        shop.events().await.is_empty(),
        "the same again announces nothing"
    );

    shop.adjust(&by_id.id, -1).await.unwrap();
    let cheaper = pb::Product {
        price: Some(eur(1)),
        ..by_id.clone()
    };
    let rows = [
        row(1, cheaper),
        row(2, with_sku("A", "New title")),
        row(3, with_sku("B", "Same")),
    ];
    assert_eq!(import(&shop, &rows).await, (0, 2, 1, vec![]));
    assert_eq!(shop.product_changes().await.len(), 2);
    let now = shop.get(&by_id.id).await.unwrap();
    assert_eq!((now.price, now.sku), (Some(eur(1)), by_id.id.clone()));
    assert_eq!(
        shop.stock(&by_id.id).await,
        (3, 0),
        "stock is only set when a product is new"
    );
}

#[sqlx::test(migrations = false)]
async fn a_bad_row_is_reported_and_stops_no_other(pool: PgPool) {
    let shop = Shop::open(pool).await;
    shop.create(
        pb::Product {
            sku: "TAKEN".to_owned(),
            ..tent("Owner")
        },
        1,
    )
    .await
    .unwrap();
    let third = Money {
        currency_code: "EUR".to_owned(),
        units: 1,
        nanos: 234_000_000,
    };
    let bad = [
        (
            pb::Product {
                title: String::new(),
                ..with_sku("1", "")
            },
            "NAME_MISSING",
        ),
        (
            pb::Product {
                price: Some(eur(-1)),
                ..with_sku("2", "T")
            },
            "PRICE_NEGATIVE",
        ),
        (
            pb::Product {
                price: Some(third),
                ..with_sku("3", "T")
            },
            "PRICE_INVALID",
        ),
        (
            pb::Product {
                price: Some(eur(i64::MAX)),
                ..with_sku("11", "T")
            },
            "PRICE_TOO_LARGE",
        ),
        (
            pb::Product {
                images: vec!["/media/a\"><script>".to_owned()],
                ..with_sku("12", "T")
            },
            "IMAGE_INVALID",
        ),
        (with_sku("4", &"x".repeat(1 << 20)), "TITLE_TOO_LONG"),
        (
            pb::Product {
                category_id: "nowhere".to_owned(),
                ..with_sku("5", "T")
            },
            "CATEGORY_UNKNOWN",
        ),
        (
            pb::Product {
                category_id: "No Slug".to_owned(),
                ..with_sku("6", "T")
            },
            "CATEGORY_UNKNOWN",
        ),
        (tent("Neither id nor sku"), "ID_MISSING"),
        (
            pb::Product {
                id: "7".to_owned(),
                ..tent("T")
            },
            "ID_INVALID",
        ),
        (
            pb::Product {
                id: new_id().to_string(),
                ..with_sku("TAKEN", "T")
            },
            "SKU_TAKEN",
        ),
        (with_sku("9", "T\0T"), "TEXT_INVALID"),
        (pb::Product::default(), "ID_MISSING"),
    ];
    let mut rows = vec![row(100, with_sku("FIRST", "First"))];
    rows.extend(
        bad.iter()
            .zip(101..)
            .map(|((product, _), line)| row(line, product.clone())),
    );
    rows.push(row(200, with_sku("LAST", "Last")));
    rows.push(pb::ImportRow {
        line: 201,
        product: None,
        initial_stock: 0,
    });
    rows.push(pb::ImportRow {
        initial_stock: -1,
        ..row(202, with_sku("10", "T"))
    });

    let (created, updated, unchanged, failures) = import(&shop, &rows).await;
    assert_eq!((created, updated, unchanged), (2, 0, 0));
    let got: Vec<(i64, &str)> = failures
        .iter()
        .map(|f| (f.line, f.reason.as_str()))
        .collect();
    let mut wanted: Vec<(i64, &str)> = bad
        .iter()
        .zip(101..)
        .map(|((_, reason), line)| (line, *reason))
        .collect();
    wanted.extend([(201, "ID_MISSING"), (202, "STOCK_INVALID")]);
    assert_eq!(got, wanted);
    assert!(failures.iter().all(|failure| !failure.message.is_empty()));
    assert_eq!(shop.count("products").await, 3);
}

#[sqlx::test(migrations = false)]
async fn a_product_that_is_named_twice_is_what_the_last_row_says(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let rows = [
        row(1, with_sku("A", "First")),
        row(2, with_sku("A", "Second")),
        row(3, with_sku("A", "Third")),
        row(4, with_sku("A", "Third")),
    ];
    assert_eq!(import(&shop, &rows).await, (1, 2, 1, vec![]));
    assert_eq!(shop.count("products").await, 1);
    let versions: Vec<i64> = shop
        .product_changes()
        .await
        .iter()
        .map(|c| c.version)
        .collect();
    assert_eq!(versions, [1, 2, 3]);
    let id = &shop.product_changes().await[0].product_id;
    assert_eq!(shop.get(id).await.unwrap().title, "Third");
}

#[sqlx::test(migrations = false)]
async fn a_message_has_at_most_500_rows(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let rows = (0..501)
        .map(|n| row(n, with_sku(&n.to_string(), "T")))
        .collect();
    let messages = tokio_stream::iter([pb::ImportProductsRequest { rows }]);
    let mut answers = shop
        .client
        .clone()
        .import_products(messages)
        .await
        .unwrap()
        .into_inner();
    assert_refused(
        answers.message().await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert_eq!(shop.count("products").await, 0);
}

#[sqlx::test(migrations = false)]
async fn two_imports_of_the_same_at_once_leave_each_product_once(pool: PgPool) {
    let shop = std::sync::Arc::new(Shop::open(pool).await);
    let rows: Vec<_> = (0..200)
        .map(|n| row(n, with_sku(&n.to_string(), "T")))
        .collect();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (shop, mut rows) = (shop.clone(), rows.clone());
        tasks.push(tokio::spawn(async move {
            rows.reverse();
            import(&shop, &rows).await
        }));
    }
    let mut created = 0;
    for task in tasks {
        created += task.await.unwrap().0;
    }
    assert_eq!(created, 200);
    assert_eq!(shop.count("products").await, 200);
    assert_eq!(shop.count("stock").await, 200);
}

#[sqlx::test(migrations = false)]
async fn the_retail_store_comes_in_within_seconds_and_again_changes_nothing(pool: PgPool) {
    let Some((rows, _)) = retail() else { return };
    let begun = Instant::now();
    let Some(shop) = retail_shop(pool).await else {
        return;
    };
    let first = begun.elapsed();
    assert_eq!(shop.count("products").await, 2465);
    shop.forget_events().await;
    let begun = Instant::now();
    assert_eq!(import(&shop, &rows).await, (0, 0, 2465, vec![]));
    println!(
        "2,465 products in {first:?}, again in {:?}",
        begun.elapsed()
    );
    assert!(shop.events().await.is_empty());
    assert!(first < PATIENCE);
}
