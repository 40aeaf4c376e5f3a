//! The staff account that the configuration names.

use sqlx::PgPool;
use svc_identity::{
    account::Email,
    ensure_staff::{Staff, ensure_staff},
    password::Password,
};
use tonic::Code;

use crate::harness::{Harness, PASSWORD, assert_refused, email};

fn staff(email: &str, password: &str) -> Staff {
    Staff {
        email: Email::parse("email", email).unwrap(),
        password: Password::parse("password", password.to_owned()).unwrap(),
    }
}

#[sqlx::test(migrations = false)]
async fn staff_can_log_in_and_nobody_is_told(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let email = email();

    for _ in 0..2 {
        ensure_staff(&identity.app, staff(&email, PASSWORD))
            .await
            .unwrap();
    }

    let answer = identity.log_in(&email, PASSWORD).await.unwrap();
    let claims = identity.claims(&answer.tokens.unwrap()).await;
    assert_eq!(claims.roles, ["customer", "staff"]);
    assert_eq!(answer.account.unwrap().etag, "1");
    assert!(identity.outbox().await.is_empty());
}

#[sqlx::test(migrations = false)]
async fn two_replicas_at_once_open_one_account(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let email = email();

    let (one, other) = tokio::join!(
        ensure_staff(&identity.app, staff(&email, PASSWORD)),
        ensure_staff(&identity.app, staff(&email, PASSWORD)),
    );

    one.unwrap();
    other.unwrap();
    assert!(identity.log_in(&email, PASSWORD).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn another_password_takes_the_old_ones_place_and_ends_sessions(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let email = email();
    ensure_staff(&identity.app, staff(&email, PASSWORD))
        .await
        .unwrap();
    let tokens = identity
        .log_in(&email, PASSWORD)
        .await
        .unwrap()
        .tokens
        .unwrap();

    ensure_staff(&identity.app, staff(&email, "another password"))
        .await
        .unwrap();

    let outcome = identity.log_in(&email, PASSWORD).await;
    assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
    assert!(identity.log_in(&email, "another password").await.is_ok());
    let outcome = identity.refresh(&tokens).await;
    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    assert_eq!(identity.revocations().await, 1);
}

#[sqlx::test(migrations = false)]
async fn who_took_the_address_first_does_not_become_staff(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let squatter = identity.given_account().await;

    ensure_staff(&identity.app, staff(&squatter.email, "another password"))
        .await
        .unwrap();

    let outcome = identity.log_in(&squatter.email, PASSWORD).await;
    assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
    let outcome = identity.refresh(&squatter.tokens).await;
    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
}
