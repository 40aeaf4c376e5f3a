//! UpdateProduct.

use proto::souk::catalog::v1 as pb;
use sqlx::PgPool;
use svc_catalog::product::MAX_PRICE_MINOR;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Shop, assert_refused, eur, tent};

#[sqlx::test(migrations = false)]
async fn only_what_the_mask_names_is_changed(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let old = shop.given("Tent", 1).await;
    shop.forget_events().await;
    let wanted = pb::Product {
        title: "Ignored".to_owned(),
        price: Some(eur(99_00)),
        category_id: "books".to_owned(),
        ..old.clone()
    };
    let new = shop
        .update(wanted, &["price", "category_id"])
        .await
        .unwrap();
    assert_eq!(new.title, "Tent");
    assert_eq!(new.price, Some(eur(99_00)));
    assert_eq!(new.category_id, "books");
    assert_ne!(new.etag, old.etag);
    assert_eq!(shop.get(&old.id).await.unwrap(), new);
    let changes = shop.product_changes().await;
    assert_eq!((changes.len(), changes[0].version), (1, 2));
}

#[sqlx::test(migrations = false)]
async fn a_purchase_limit_is_set_and_taken_away(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let limited = pb::Product {
        purchase_limit: 2,
        ..tent("Tent")
    };
    let old = shop.create(limited, 1).await.unwrap();
    assert_eq!(old.purchase_limit, 2);
    assert_eq!(shop.get(&old.id).await.unwrap().purchase_limit, 2);

    let renamed = pb::Product {
        title: "Big tent".to_owned(),
        purchase_limit: 9,
        ..old.clone()
    };
    let new = shop.update(renamed.clone(), &["title"]).await.unwrap();
    assert_eq!(new.purchase_limit, 2, "the mask does not name it");
    let free = pb::Product {
        purchase_limit: 0,
        etag: String::new(),
        ..renamed.clone()
    };
    let new = shop.update(free, &["purchase_limit"]).await.unwrap();
    assert_eq!(new.purchase_limit, 0);
    assert_eq!(shop.get(&old.id).await.unwrap(), new);

    let negative = pb::Product {
        purchase_limit: -1,
        etag: String::new(),
        ..renamed
    };
    let refused = shop
        .update(negative, &["purchase_limit"])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[sqlx::test(migrations = false)]
async fn a_change_to_what_it_is_writes_nothing(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let old = shop.given("Tent", 1).await;
    shop.forget_events().await;
    assert_eq!(
        shop.update(old.clone(), &["title", "price"]).await.unwrap(),
        old
    );
    assert!(shop.events().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn whoever_read_an_older_version_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let read = shop.given("Tent", 1).await;
    let mut tasks = Vec::new();
    for price in 1..=8 {
        let mut client = shop.client.clone();
        let request = pb::UpdateProductRequest {
            product: Some(pb::Product {
                price: Some(eur(price)),
                ..read.clone()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["price".to_owned()],
            }),
        };
        tasks.push(tokio::spawn(
            async move { client.update_product(request).await },
        ));
    }
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(answer) => winners.push(answer.into_inner()),
            Err(status) => {
                let details = status.get_error_details();
                let info = details.error_info().unwrap();
                assert_eq!(
                    (status.code(), info.reason.as_str()),
                    (Code::Aborted, "ETAG_MISMATCH")
                );
                assert_ne!(info.metadata["etag"], read.etag);
            }
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(shop.get(&read.id).await.unwrap(), winners[0]);

    // Without an etag the last one wins.
    let blind = pb::Product {
        etag: String::new(),
        price: Some(eur(5)),
        ..read
    };
    shop.update(blind, &["price"]).await.unwrap();
}

#[sqlx::test(migrations = false)]
async fn a_bad_mask_or_product_is_refused(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let old = shop.given("Tent", 1).await;
    for mask in [
        &[][..],
        &["sku"],
        &["title", "etag"],
        &["price.units"],
        &["*"],
    ] {
        let refused = shop.update(old.clone(), mask).await;
        assert_refused(refused, Code::InvalidArgument, "MASK_INVALID");
    }
    let negative = pb::Product {
        price: Some(eur(-5)),
        ..old.clone()
    };
    assert_refused(
        shop.update(negative, &["price"]).await,
        Code::InvalidArgument,
        "PRICE_NEGATIVE",
    );
    let lost = pb::Product {
        category_id: "nowhere".to_owned(),
        ..old.clone()
    };
    assert_refused(
        shop.update(lost, &["category_id"]).await,
        Code::InvalidArgument,
        "CATEGORY_UNKNOWN",
    );
    let unknown = pb::Product {
        id: crate::harness::new_id().to_string(),
        ..tent("T")
    };
    assert_refused(
        shop.update(unknown, &["title"]).await,
        Code::NotFound,
        "PRODUCT_NOT_FOUND",
    );
    assert_refused(
        shop.update(tent("T"), &["title"]).await,
        Code::InvalidArgument,
        "ID_INVALID",
    );
    assert_eq!(shop.get(&old.id).await.unwrap(), old);
}

fn fields<T: std::fmt::Debug>(refused: Result<T, Status>) -> Vec<String> {
    let details = refused.unwrap_err().get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    violations.iter().map(|v| v.field.clone()).collect()
}

#[sqlx::test(migrations = false)]
async fn each_violation_names_its_field_once(pool: PgPool) {
    let shop = Shop::open(pool).await;
    let old = shop.given("Tent", 1).await;
    let refused = shop
        .update(old.clone(), &["sku", "title", "sku", "etag"])
        .await;
    assert_eq!(fields(refused), ["update_mask", "update_mask"]);

    let bad = pb::Product {
        price: Some(eur(MAX_PRICE_MINOR + 1)),
        images: vec!["/media/../../etc/passwd".to_owned()],
        ..old.clone()
    };
    let refused = shop.update(bad.clone(), &["price", "price"]).await;
    assert_eq!(fields(refused), ["product.price"]);
    let refused = shop.update(bad.clone(), &["price", "images"]).await;
    assert_eq!(fields(refused), ["product.price", "product.images"]);
    assert_refused(
        shop.update(bad.clone(), &["price"]).await,
        Code::InvalidArgument,
        "PRICE_TOO_LARGE",
    );
    assert_refused(
        shop.update(bad, &["images"]).await,
        Code::InvalidArgument,
        "IMAGE_INVALID",
    );
    assert_eq!(shop.get(&old.id).await.unwrap(), old);
}
