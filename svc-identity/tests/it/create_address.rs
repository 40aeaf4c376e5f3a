//! CreateAddress and ListAddresses.

use std::sync::Arc;

use proto::souk::identity::v1 as pb;
use sqlx::PgPool;
use svc_identity::address::ADDRESSES_MAX;
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::{Harness, assert_refused, home, labelled};

fn labels(addresses: &[pb::SavedAddress]) -> Vec<&str> {
    addresses.iter().map(|saved| saved.label.as_str()).collect()
}

#[sqlx::test(migrations = false)]
async fn a_book_lists_what_was_written_oldest_first(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let (ada, eve) = (
        identity.given_account().await,
        identity.given_account().await,
    );
    for label in ["home", "work"] {
        identity
            .create_address(&ada, labelled(label))
            .await
            .unwrap();
        identity.clock.advance(std::time::Duration::from_secs(1));
    }

    let book = identity.addresses(&ada).await;

    assert_eq!(labels(&book), ["home", "work"]);
    assert_eq!(book[0].address, home().address);
    assert_eq!(identity.addresses(&eve).await, []);
}

#[sqlx::test(migrations = false)]
async fn a_book_has_one_default(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let first = identity.create_address(&ada, home()).await.unwrap();
    assert!(first.is_default);

    let second = pb::SavedAddress {
        is_default: true,
        ..home()
    };
    let second = identity.create_address(&ada, second).await.unwrap();

    let book = identity.addresses(&ada).await;
    let defaults: Vec<_> = book.iter().filter(|saved| saved.is_default).collect();
    assert_eq!(defaults, [&second]);
}

#[sqlx::test(migrations = false)]
async fn a_bad_address_is_refused(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let mut bad = home();
    bad.address.as_mut().unwrap().region_code = "gb".to_owned();
    let mut naughty = home();
    naughty.address.as_mut().unwrap().recipient = "a\0b".to_owned();
    let empty = pb::SavedAddress::default();

    for address in [bad, naughty, empty] {
        let outcome = identity.create_address(&ada, address).await;
        assert_refused(outcome, Code::InvalidArgument, "FIELD_INVALID");
    }
}

#[sqlx::test(migrations = false)]
async fn a_full_book_takes_no_more_even_at_once(pool: PgPool) {
    let identity = Arc::new(Harness::new(pool).await);
    let ada = Arc::new(identity.given_account().await);
    for _ in 0..ADDRESSES_MAX - 2 {
        identity.create_address(&ada, home()).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let (identity, ada) = (Arc::clone(&identity), Arc::clone(&ada));
        tasks.spawn(async move { identity.create_address(&ada, home()).await });
    }

    let (added, refused): (Vec<_>, Vec<_>) =
        tasks.join_all().await.into_iter().partition(Result::is_ok);

    assert_eq!(added.len(), 2);
    for outcome in refused {
        assert_refused(outcome, Code::FailedPrecondition, "ADDRESS_BOOK_FULL");
    }
}
