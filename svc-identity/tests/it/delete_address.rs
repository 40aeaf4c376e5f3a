//! DeleteAddress.

use proto::souk::identity::v1::{self as pb, identity_service_server::IdentityService as _};
use sqlx::PgPool;
use tonic::{Code, Status};

use crate::harness::{Customer, Harness, assert_refused, home, labelled};

async fn delete(identity: &Harness, customer: &Customer, id: &str) -> Result<(), Status> {
    let request = customer.asks(pb::DeleteAddressRequest { id: id.to_owned() });
    identity.grpc.delete_address(request).await.map(|_| ())
}

#[sqlx::test(migrations = false)]
async fn an_address_is_gone_once(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let saved = identity.create_address(&ada, home()).await.unwrap();

    delete(&identity, &ada, &saved.id).await.unwrap();

    assert_eq!(identity.addresses(&ada).await, []);
    let outcome = delete(&identity, &ada, &saved.id).await;
    assert_refused(outcome, Code::NotFound, "ADDRESS_NOT_FOUND");
}

#[sqlx::test(migrations = false)]
async fn the_oldest_takes_the_place_of_the_default(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let first = identity.create_address(&ada, home()).await.unwrap();
    for label in ["second", "third"] {
        identity.clock.advance(std::time::Duration::from_secs(1));
        identity
            .create_address(&ada, labelled(label))
            .await
            .unwrap();
    }

    delete(&identity, &ada, &first.id).await.unwrap();

    let book = identity.addresses(&ada).await;
    let default: Vec<_> = book
        .iter()
        .map(|saved| (saved.label.as_str(), saved.is_default))
        .collect();
    assert_eq!(default, [("second", true), ("third", false)]);
}

#[sqlx::test(migrations = false)]
async fn an_address_of_another_account_is_not_found(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let (ada, eve) = (
        identity.given_account().await,
        identity.given_account().await,
    );
    let saved = identity.create_address(&ada, home()).await.unwrap();

    let outcome = delete(&identity, &eve, &saved.id).await;

    assert_refused(outcome, Code::NotFound, "ADDRESS_NOT_FOUND");
    assert_eq!(identity.addresses(&ada).await, [saved]);
}
