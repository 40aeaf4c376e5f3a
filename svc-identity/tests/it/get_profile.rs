//! GetProfile.

use proto::souk::identity::v1::{self as pb, identity_service_server::IdentityService as _};
use sqlx::PgPool;
use tonic::Code;

use crate::harness::{Customer, Harness, assert_refused};

#[sqlx::test(migrations = false)]
async fn the_caller_sees_the_own_account(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let (ada, eve) = (
        identity.given_account().await,
        identity.given_account().await,
    );

    assert_eq!(identity.profile(&ada).await.email, ada.email);
    assert_eq!(identity.profile(&eve).await.email, eve.email);
}

#[sqlx::test(migrations = false)]
async fn an_account_that_is_gone_is_not_found(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let ghost = Customer {
        caller: svc_kit::testing::caller(),
        ..ada
    };

    let request = ghost.asks(pb::GetProfileRequest {});
    let outcome = identity.grpc.get_profile(request).await;
    assert_refused(outcome, Code::NotFound, "ACCOUNT_NOT_FOUND");
}
