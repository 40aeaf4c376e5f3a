//! Register.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{Harness, PASSWORD, assert_refused, email};

#[sqlx::test(migrations = false)]
async fn a_new_account_is_logged_in_and_announced(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let email = email();

    let answer = identity.register(&email, PASSWORD, " Ada ").await.unwrap();

    let account = answer.account.unwrap();
    assert_eq!(account.email, email);
    assert_eq!(account.display_name, "Ada");
    assert_eq!(account.roles, ["customer"]);
    let tokens = answer.tokens.unwrap();
    let claims = identity.claims(&tokens).await;
    assert_eq!(claims.sub.to_string(), account.id);
    assert_eq!(claims.roles, ["customer"]);
    assert!(identity.refresh(&tokens).await.is_ok());
    assert_eq!(
        identity.outbox().await,
        ["souk.identity.account_registered.v1"]
    );
}

#[sqlx::test(migrations = false)]
async fn an_address_opens_one_account_whatever_its_case(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let email = email();
    identity.register(&email, PASSWORD, "Ada").await.unwrap();

    for again in [email.clone(), email.to_uppercase(), format!(" {email} ")] {
        let outcome = identity.register(&again, "another password", "Eve").await;
        assert_refused(outcome, Code::AlreadyExists, "EMAIL_TAKEN");
    }

    assert_eq!(identity.outbox().await.len(), 1);
    assert!(identity.log_in(&email, PASSWORD).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn of_many_at_once_exactly_one_opens_the_account(pool: PgPool) {
    let identity = Arc::new(Harness::new(pool).await);
    let email = email();
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let identity = Arc::clone(&identity);
        let email = if n % 2 == 0 {
            email.clone()
        } else {
            email.to_uppercase()
        };
        tasks.spawn(async move { identity.register(&email, PASSWORD, "Ada").await });
    }

    let (won, lost): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);

    assert_eq!(won.len(), 1);
    for outcome in lost {
        assert_refused(outcome, Code::AlreadyExists, "EMAIL_TAKEN");
    }
    assert_eq!(identity.outbox().await.len(), 1);
}

#[sqlx::test(migrations = false)]
async fn every_bad_field_is_named(pool: PgPool) {
    let identity = Harness::new(pool).await;

    let status = identity.register("ada", "short", "\0").await.unwrap_err();

    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let fields: Vec<_> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["email", "password", "display_name"]);
}

#[sqlx::test(migrations = false)]
async fn without_redis_an_account_is_opened_without_a_refresh_token(pool: PgPool) {
    let identity = Harness::without_redis(pool).await;

    let answer = identity.register(&email(), PASSWORD, "Ada").await.unwrap();

    let tokens = answer.tokens.unwrap();
    identity.claims(&tokens).await;
    assert_eq!(tokens.refresh_token, "");
    assert_eq!(tokens.refresh_token_expire_time, None);
}
