//! Data that lies beside the checkout, when it does.

use std::{fs, path::PathBuf};

use prost_types::{Struct, Value, value::Kind};
use proto::souk::catalog::v1 as pb;
use serde_json::Value as Json;

use crate::harness::Shop;

/// The text of a file below `../shared/data`; `None`, and a line that says so,
/// when it is not there.
pub(crate) fn shared(path: &str) -> Option<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    // Beside the checkout, however deep the checkout lies.
    let found = root
        .ancestors()
        .map(|folder| folder.join("shared/data").join(path))
        .find_map(|file| fs::read_to_string(file).ok());
    if found.is_none() {
        println!("skipped: there is no shared/data/{path} beside the checkout");
    }
    found
}

/// The retail demo store's products as rows of an import, and its categories.
pub(crate) fn retail() -> Option<(Vec<pb::ImportRow>, Vec<String>)> {
    let text = shared("retail_demo_store/products.jsonl")?;
    let mut categories = Vec::new();
    let rows = text
        .lines()
        .zip(1..)
        .map(|(line, number)| {
            let json: Json = serde_json::from_str(line).unwrap();
            let row = row(&json, number);
            categories.push(row.product.as_ref().unwrap().category_id.clone());
            row
        })
        .collect();
    categories.sort();
    categories.dedup();
    Some((rows, categories))
}

fn row(json: &Json, line: i64) -> pb::ImportRow {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let attributes = ["style", "gender_affinity"]
        .into_iter()
        .filter(|name| json[*name].is_string())
        .map(|name| {
            (
                name.to_owned(),
                Value {
                    kind: Some(Kind::StringValue(text(name))),
                },
            )
        })
        .collect();
    #[expect(clippy::cast_possible_truncation, reason = "prices of a shop")]
    let minor = (json["price"].as_f64().unwrap() * 100.0).round() as i64;
    pb::ImportRow {
        line,
        product: Some(pb::Product {
            id: text("id"),
            title: text("name"),
            description: text("description"),
            category_id: text("category").replace(' ', "-"),
            price: Some(crate::harness::eur(minor)),
            attributes: Some(Struct { fields: attributes }),
            images: vec![format!("products/{}", text("image"))],
            ..pb::Product::default()
        }),
        initial_stock: json["current_stock"].as_i64().unwrap(),
    }
}

/// Sends rows in messages of 500; returns created, updated, unchanged and
/// failed.
pub(crate) async fn import(
    shop: &Shop,
    rows: &[pb::ImportRow],
) -> (i32, i32, i32, Vec<pb::ImportFailure>) {
    let messages: Vec<pb::ImportProductsRequest> = rows
        .chunks(500)
        .map(|rows| pb::ImportProductsRequest {
            rows: rows.to_vec(),
        })
        .collect();
    let mut answers = shop
        .client
        .clone()
        .max_encoding_message_size(64 << 20)
        .import_products(tokio_stream::iter(messages))
        .await
        .unwrap()
        .into_inner();
    let mut sum = (0, 0, 0, Vec::new());
    while let Some(answer) = answers.message().await.unwrap() {
        sum.0 += answer.created;
        sum.1 += answer.updated;
        sum.2 += answer.unchanged;
        sum.3.extend(answer.failures);
    }
    sum
}

/// A shop with the retail demo store's products.
pub(crate) async fn retail_shop(pool: sqlx::PgPool) -> Option<Shop> {
    let (rows, categories) = retail()?;
    let shop = Shop::empty(pool).await;
    for category in categories {
        shop.category(&category, "").await.unwrap();
    }
    let (created, .., failures) = import(&shop, &rows).await;
    assert_eq!(usize::try_from(created), Ok(rows.len()));
    assert!(failures.is_empty(), "{failures:?}");
    Some(shop)
}
