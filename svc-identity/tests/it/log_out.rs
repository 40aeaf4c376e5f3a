//! LogOut.

use sqlx::PgPool;
use tonic::{Code, Request};

use proto::souk::identity::v1::{self as pb, identity_service_server::IdentityService as _};

use crate::harness::{Harness, PASSWORD, assert_refused};

#[sqlx::test(migrations = false)]
async fn a_session_that_is_logged_out_cannot_be_refreshed(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;

    identity.log_out(&ada).await.unwrap();

    let outcome = identity.refresh(&ada.tokens).await;
    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    assert_eq!(
        identity.outbox().await,
        [
            "souk.identity.account_registered.v1",
            "souk.identity.session_revoked.v1"
        ]
    );
    assert!(identity.log_in(&ada.email, PASSWORD).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn a_session_is_announced_dead_once(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;

    identity.log_out(&ada).await.unwrap();
    identity.log_out(&ada).await.unwrap();

    assert_eq!(identity.revocations().await, 1);
}

#[sqlx::test(migrations = false)]
async fn nobody_is_not_logged_out(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let outcome = identity
        .grpc
        .log_out(Request::new(pb::LogOutRequest {}))
        .await;
    assert_eq!(outcome.unwrap_err().code(), Code::Unauthenticated);
}
