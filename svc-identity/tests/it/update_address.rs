//! UpdateAddress.

use proto::souk::identity::v1::{self as pb, identity_service_server::IdentityService as _};
use sqlx::PgPool;
use tonic::{Code, Status};

use crate::harness::{Customer, Harness, assert_refused, body, home, labelled};

async fn update(
    identity: &Harness,
    customer: &Customer,
    address: pb::SavedAddress,
) -> Result<pb::SavedAddress, Status> {
    let request = customer.asks(pb::UpdateAddressRequest {
        address: Some(address),
    });
    identity.grpc.update_address(request).await.map(body)
}

#[sqlx::test(migrations = false)]
async fn an_address_is_replaced(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let saved = identity.create_address(&ada, home()).await.unwrap();

    let changed = pb::SavedAddress {
        label: "work".to_owned(),
        ..saved
    };
    let answer = update(&identity, &ada, changed.clone()).await.unwrap();

    assert_eq!(answer, changed);
    assert_eq!(identity.addresses(&ada).await, [changed]);
}

#[sqlx::test(migrations = false)]
async fn the_default_moves_but_never_goes(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let first = identity.create_address(&ada, home()).await.unwrap();
    let second = identity
        .create_address(&ada, labelled("work"))
        .await
        .unwrap();

    let not_default = pb::SavedAddress {
        is_default: false,
        ..first.clone()
    };
    assert!(
        update(&identity, &ada, not_default)
            .await
            .unwrap()
            .is_default
    );

    let default = pb::SavedAddress {
        is_default: true,
        ..second
    };
    assert!(
        update(&identity, &ada, default.clone())
            .await
            .unwrap()
            .is_default
    );
    let book = identity.addresses(&ada).await;
    let defaults: Vec<_> = book.iter().filter(|saved| saved.is_default).collect();
    assert_eq!(defaults, [&default]);
}

#[sqlx::test(migrations = false)]
async fn an_address_of_another_account_is_not_found(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let (ada, eve) = (
        identity.given_account().await,
        identity.given_account().await,
    );
    let saved = identity.create_address(&ada, home()).await.unwrap();

    let outcome = update(
        &identity,
        &eve,
        pb::SavedAddress {
            label: "mine".to_owned(),
            ..saved.clone()
        },
    )
    .await;

    assert_refused(outcome, Code::NotFound, "ADDRESS_NOT_FOUND");
    assert_eq!(identity.addresses(&ada).await, [saved]);
}

#[sqlx::test(migrations = false)]
async fn what_is_no_id_is_refused(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let outcome = update(&identity, &ada, home()).await;
    assert_refused(outcome, Code::InvalidArgument, "FIELD_INVALID");
}
