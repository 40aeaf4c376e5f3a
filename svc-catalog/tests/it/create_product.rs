//! CreateProduct.

use std::collections::BTreeMap;

use prost_types::{ListValue, Struct, Value, value::Kind};
use proto::souk::{catalog::v1 as pb, r#type::v1::Money};
use sqlx::PgPool;
use tonic::Code;

use crate::harness::{Shop, assert_refused, eur, new_id, tent};

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn text(text: &str) -> Value {
    value(Kind::StringValue(text.to_owned()))
}

#[sqlx::test(migrations = false)]
async fn a_product_comes_back_as_it_was_created(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let attributes = BTreeMap::from([
        ("style".to_owned(), text("dome")),
        ("persons".to_owned(), value(Kind::NumberValue(3.0))),
        ("weight".to_owned(), value(Kind::NumberValue(2.5))),
        ("double".to_owned(), value(Kind::BoolValue(true))),
        (
            "colours".to_owned(),
            value(Kind::ListValue(ListValue {
                values: vec![text("red"), text("blue")],
            })),
        ),
    ]);
    let wanted = pb::Product {
        sku: "TENT-3".to_owned(),
        attributes: Some(Struct { fields: attributes }),
        images: vec!["products/tent.webp".to_owned()],
        ..tent("Forest Tent")
    };
    let created = shop.create(wanted.clone(), 3).await.unwrap();
    assert_eq!(created.attributes, wanted.attributes);
    assert_eq!(created.price, wanted.price);
    assert_eq!(created.sku, "TENT-3");
    assert!(created.in_stock);
    assert!(!created.etag.is_empty());
    assert_eq!(shop.get(&created.id).await.unwrap(), created); // from the database
    assert_eq!(shop.get(&created.id).await.unwrap(), created); // from the cache
    assert_eq!(shop.stock(&created.id).await, (3, 0));

    let changes = shop.product_changes().await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].product_id, created.id);
    assert_eq!(
        changes[0].tags,
        [format!("product:{}", created.id), "products".to_owned()]
    );
}

#[sqlx::test(migrations = false)]
async fn an_id_is_kept_and_is_the_sku_when_there_is_none(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let id = new_id().to_string();
    let created = shop
        .create(
            pb::Product {
                id: id.clone(),
                ..tent("Tent")
            },
            0,
        )
        .await
        .unwrap();
    assert_eq!((&created.id, &created.sku), (&id, &id));
    assert!(!created.in_stock);
    let again = shop
        .create(
            pb::Product {
                id,
                ..tent("Other")
            },
            0,
        )
        .await;
    assert_refused(again, Code::AlreadyExists, "PRODUCT_EXISTS");
}

#[sqlx::test(migrations = false)]
async fn a_sku_belongs_to_one_product(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let product = pb::Product {
        sku: "T-1".to_owned(),
        ..tent("Tent")
    };
    shop.create(product.clone(), 0).await.unwrap();
    assert_refused(
        shop.create(product, 0).await,
        Code::AlreadyExists,
        "SKU_TAKEN",
    );
}

#[sqlx::test(migrations = false)]
async fn a_repeated_request_gets_the_first_answer(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let request = pb::CreateProductRequest {
        product: Some(tent("Tent")),
        initial_stock: 1,
        request_id: new_id().to_string(),
    };
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (mut client, request) = (shop.client.clone(), request.clone());
        tasks.push(tokio::spawn(
            async move { client.create_product(request).await },
        ));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().unwrap().into_inner());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one answer for all");
    assert_eq!(shop.count("products").await, 1);

    let changed = pb::Product {
        title: "New".to_owned(),
        ..answers[0].clone()
    };
    shop.update(changed, &["title"]).await.unwrap();
    let repeat = shop
        .client
        .clone()
        .create_product(request.clone())
        .await
        .unwrap();
    assert_eq!(repeat.into_inner(), answers[0]);

    let other = pb::CreateProductRequest {
        product: Some(tent("Other")),
        ..request
    };
    let refused = shop.client.clone().create_product(other).await;
    assert_refused(refused, Code::FailedPrecondition, "REQUEST_ID_REUSED");
}

#[sqlx::test(migrations = false)]
async fn a_product_that_breaks_a_rule_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let usd = |units, nanos| {
        Some(Money {
            currency_code: "USD".to_owned(),
            units,
            nanos,
        })
    };
    let cases = [
        (
            pb::Product {
                title: "  ".to_owned(),
                ..tent("")
            },
            "NAME_MISSING",
        ),
        (tent(&"x".repeat(301)), "TITLE_TOO_LONG"),
        (
            pb::Product {
                description: "x".repeat(10_001),
                ..tent("T")
            },
            "DESCRIPTION_TOO_LONG",
        ),
        (
            pb::Product {
                price: Some(eur(-1)),
                ..tent("T")
            },
            "PRICE_NEGATIVE",
        ),
        (
            pb::Product {
                price: None,
                ..tent("T")
            },
            "PRICE_INVALID",
        ),
        (
            pb::Product {
                price: usd(1, 999_000_000),
                ..tent("T")
            },
            "PRICE_INVALID",
        ),
        (
            pb::Product {
                price: usd(1, -10_000_000),
                ..tent("T")
            },
            "PRICE_INVALID",
        ),
        (
            pb::Product {
                price: usd(i64::MAX, 0),
                ..tent("T")
            },
            "PRICE_TOO_LARGE",
        ),
        (
            pb::Product {
                price: usd(90_000_000_000_000_000, 0),
                ..tent("T")
            },
            "PRICE_TOO_LARGE",
        ),
        (
            pb::Product {
                price: Some(Money {
                    currency_code: "XYZ".to_owned(),
                    units: 1,
                    nanos: 0,
                }),
                ..tent("T")
            },
            "PRICE_INVALID",
        ),
        (
            pb::Product {
                category_id: "nowhere".to_owned(),
                ..tent("T")
            },
            "CATEGORY_UNKNOWN",
        ),
        (
            pb::Product {
                category_id: String::new(),
                ..tent("T")
            },
            "CATEGORY_UNKNOWN",
        ),
        (
            pb::Product {
                id: "7".to_owned(),
                ..tent("T")
            },
            "ID_INVALID",
        ),
        (
            pb::Product {
                sku: "x".repeat(101),
                ..tent("T")
            },
            "SKU_INVALID",
        ),
        (
            pb::Product {
                images: vec![String::new()],
                ..tent("T")
            },
            "IMAGE_INVALID",
        ),
        (
            pb::Product {
                images: vec!["a.jpg".to_owned(), "javascript:alert(1)".to_owned()],
                ..tent("T")
            },
            "IMAGE_INVALID",
        ),
        (
            pb::Product {
                description: "a\0b".to_owned(),
                ..tent("T")
            },
            "TEXT_INVALID",
        ),
        (
            pb::Product {
                attributes: Some(Struct {
                    fields: BTreeMap::from([("a".to_owned(), value(Kind::NullValue(0)))]),
                }),
                ..tent("T")
            },
            "ATTRIBUTES_INVALID",
        ),
    ];
    for (product, why) in cases {
        assert_refused(shop.create(product, 0).await, Code::InvalidArgument, why);
    }
    assert_refused(
        shop.create(tent("T"), -1).await,
        Code::InvalidArgument,
        "STOCK_INVALID",
    );
    assert_eq!(shop.count("products").await, 0);
    assert!(shop.events().await.is_empty());
}
