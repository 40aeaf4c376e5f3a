//! Strings that have broken programs before, through everything that takes
//! text.

use futures::StreamExt as _;
use proto::souk::catalog::v1 as pb;
use sqlx::PgPool;
use tonic::{Code, Status};

use crate::{
    data::shared,
    harness::{Shop, eur},
};

/// How many strings are tried at the same time.
const AT_ONCE: usize = 8;

#[track_caller]
fn assert_no_fault<T>(outcome: Result<T, Status>, text: &str) -> Option<T> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(status) => {
            assert_eq!(status.code(), Code::InvalidArgument, "{text:?}: {status:?}");
            None
        }
    }
}

#[sqlx::test(migrations = false)]
async fn no_string_is_a_fault(pool: PgPool) {
    let Some(json) = shared("naughty_strings/blns.json") else {
        return;
    };
    let mut strings: Vec<String> = serde_json::from_str(&json).unwrap();
    strings.extend(
        [
            "\0",
            "a\0b",
            "'",
            "''':*",
            "\\",
            "a\\",
            "%",
            "_",
            "a & b | !c",
            "<->",
            "( ( (",
            "\u{1f}",
            "\u{a0}",
            "ﬀ",
            "İ",
        ]
        .map(ToOwned::to_owned),
    );
    strings.push("x ".repeat(5000));
    strings.push("ü".repeat(3000));
    let shop = Shop::open(pool).await;
    futures::stream::iter(&strings)
        .for_each_concurrent(AT_ONCE, |text| try_everywhere(&shop, text))
        .await;
}

async fn try_everywhere(shop: &Shop, text: &str) {
    let mut client = shop.client.clone();
    let product = pb::Product {
        sku: text.chars().take(90).collect(),
        title: text.to_owned(),
        description: text.to_owned(),
        category_id: "tents".to_owned(),
        price: Some(eur(1)),
        attributes: Some(prost_types::Struct {
            fields: [(
                text.to_owned(),
                prost_types::Value {
                    kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
                },
            )]
            .into(),
        }),
        images: vec![text.to_owned()],
        ..pb::Product::default()
    };
    let plain = pb::Product {
        sku: String::new(),
        attributes: None,
        images: Vec::new(),
        ..product.clone()
    };
    match shop.create(product, 1).await {
        Err(status) if status.code() == Code::AlreadyExists => {}
        outcome => {
            assert_no_fault(outcome, text);
        }
    }
    if let Some(created) = assert_no_fault(shop.create(plain, 1).await, text) {
        assert_eq!(created.title, text.trim());
        assert_eq!(shop.get(&created.id).await.unwrap(), created);
    }
    let search = pb::SearchProductsRequest {
        query: text.to_owned(),
        filter: Some(pb::SearchFilter {
            attributes: vec![pb::AttributeFilter {
                name: text.to_owned(),
                values: vec![text.to_owned()],
            }],
            ..pb::SearchFilter::default()
        }),
        ..pb::SearchProductsRequest::default()
    };
    let unfiltered = pb::SearchProductsRequest {
        filter: None,
        ..search.clone()
    };
    assert_no_fault(client.search_products(search).await, text);
    assert_no_fault(client.search_products(unfiltered).await, text);
    let suggest = pb::SuggestProductsRequest {
        prefix: text.to_owned(),
        page_size: 0,
    };
    assert_no_fault(client.suggest_products(suggest).await, text);
    let list = pb::ListProductsRequest {
        category_id: text.to_owned(),
        page_token: text.to_owned(),
        page_size: 0,
    };
    assert_no_fault(client.list_products(list).await, text);
    assert_no_fault(shop.category(text, text).await, text);
}
