//! LogIn.

use std::sync::Arc;

use sqlx::PgPool;
use svc_identity::lockout::{FAILURES_MAX, WINDOW};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{HASH_WORKERS, Harness, PASSWORD, assert_refused, email, retry_after};

#[sqlx::test(migrations = false)]
async fn the_right_password_begins_a_session(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;

    let answer = identity
        .log_in(&ada.email.to_uppercase(), PASSWORD)
        .await
        .unwrap();

    assert_eq!(answer.account.unwrap().email, ada.email);
    let claims = identity.claims(&answer.tokens.unwrap()).await;
    assert_eq!(claims.sub, ada.caller.account_id);
    assert_ne!(claims.sid, ada.caller.session_id);
}

#[sqlx::test(migrations = false)]
async fn a_password_is_the_same_from_every_keyboard(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let email = email();
    identity
        .register(&email, "pa\u{308}sswo\u{308}rd", "Ada")
        .await
        .unwrap();

    assert!(identity.log_in(&email, "pässwörd").await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn a_wrong_address_and_a_wrong_password_are_not_told_apart(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let nobody = email();

    for (email, password) in [
        (ada.email.as_str(), "wrong password"),
        (ada.email.as_str(), "short"),
        (ada.email.as_str(), "nul\0 in a password"),
        (ada.email.as_str(), &"x".repeat(10_000)),
        (nobody.as_str(), PASSWORD),
        ("no address", PASSWORD),
        ("nul\0@example.com", PASSWORD),
        ("", ""),
    ] {
        let outcome = identity.log_in(email, password).await;
        let message = outcome.as_ref().unwrap_err().message().to_owned();
        assert_eq!(message, "e-mail address or password is wrong");
        assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
    }
}

#[sqlx::test(migrations = false)]
async fn too_many_failures_lock_the_account_even_for_the_right_password(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    for _ in 0..FAILURES_MAX {
        let outcome = identity.log_in(&ada.email, "wrong password").await;
        assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
    }

    let locked = identity.log_in(&ada.email, PASSWORD).await.unwrap_err();

    let wait = retry_after(&locked).unwrap();
    assert!(!wait.is_zero() && wait <= WINDOW, "{wait:?}");
    assert_refused::<()>(Err(locked), Code::ResourceExhausted, "LOGIN_LOCKED");
    assert!(identity.refresh(&ada.tokens).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn an_unknown_address_is_locked_like_any_other(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let nobody = email();
    for _ in 0..FAILURES_MAX {
        let outcome = identity.log_in(&nobody, PASSWORD).await;
        assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
    }

    let outcome = identity.log_in(&nobody, PASSWORD).await;
    assert_refused(outcome, Code::ResourceExhausted, "LOGIN_LOCKED");
}

#[sqlx::test(migrations = false)]
async fn the_right_password_in_time_forgets_the_failures(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    for _ in 0..2 {
        for _ in 1..FAILURES_MAX {
            let outcome = identity.log_in(&ada.email, "wrong password").await;
            assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
        }
        assert!(identity.log_in(&ada.email, PASSWORD).await.is_ok());
    }
}

#[sqlx::test(migrations = false)]
async fn without_redis_the_replica_counts_on_its_own(pool: PgPool) {
    let identity = Harness::without_redis(pool).await;
    let ada = identity.given_account().await;

    assert!(identity.log_in(&ada.email, PASSWORD).await.is_ok());

    for _ in 0..FAILURES_MAX {
        let outcome = identity.log_in(&ada.email, "wrong password").await;
        assert_refused(outcome, Code::Unauthenticated, "CREDENTIALS_WRONG");
    }
    let outcome = identity.log_in(&ada.email, PASSWORD).await;
    assert_refused(outcome, Code::ResourceExhausted, "LOGIN_LOCKED");
    identity.clock.advance(WINDOW);
    assert!(identity.log_in(&ada.email, PASSWORD).await.is_ok());
}

/// More than are hashed or may wait; that strangers are refused as well shows
/// that their passwords are hashed like everybody's.
#[sqlx::test(migrations = false)]
async fn a_flood_of_strangers_is_shed(pool: PgPool) {
    let identity = Arc::new(Harness::new(pool).await);
    let mut tasks = JoinSet::new();
    for _ in 0..HASH_WORKERS * 40 {
        let identity = Arc::clone(&identity);
        tasks.spawn(async move { identity.log_in(&email(), PASSWORD).await.unwrap_err() });
    }

    let refused = tasks.join_all().await;

    let busy = refused
        .iter()
        .filter(|status| status.code() == Code::ResourceExhausted)
        .inspect(|status| {
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "HASHING_BUSY");
        })
        .count();
    let wrong = refused
        .iter()
        .filter(|status| status.code() == Code::Unauthenticated)
        .count();
    assert!(busy > 0 && wrong > 0, "{busy} shed, {wrong} answered");
    assert_eq!(busy + wrong, refused.len());
}
