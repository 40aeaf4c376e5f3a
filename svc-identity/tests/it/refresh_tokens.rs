//! RefreshTokens.

use std::sync::Arc;

use proto::souk::identity::v1 as pb;
use sqlx::PgPool;
use svc_identity::{refresh_token::RefreshToken, session::SessionId};
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::{Harness, assert_refused};

#[sqlx::test(migrations = false)]
async fn a_refresh_token_is_traded_for_the_next(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;

    let second = identity.refresh(&ada.tokens).await.unwrap();
    let third = identity.refresh(&second).await.unwrap();

    assert_ne!(second.refresh_token, ada.tokens.refresh_token);
    let claims = identity.claims(&third).await;
    assert_eq!(claims.sid, ada.caller.session_id);
    assert_eq!(claims.sub, ada.caller.account_id);
    assert_eq!(identity.revocations().await, 0);
}

#[sqlx::test(migrations = false)]
async fn a_second_use_ends_the_session_for_everybody(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let second = identity.refresh(&ada.tokens).await.unwrap();
    let third = identity.refresh(&second).await.unwrap();

    let reused = identity.refresh(&ada.tokens).await;

    assert_refused(reused, Code::Unauthenticated, "REFRESH_TOKEN_REUSED");
    for dead in [&ada.tokens, &second, &third] {
        let outcome = identity.refresh(dead).await;
        assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    }
    assert_eq!(identity.revocations().await, 1);
}

#[sqlx::test(migrations = false)]
async fn of_many_with_one_token_at_once_exactly_one_wins(pool: PgPool) {
    let identity = Arc::new(Harness::new(pool).await);
    let ada = identity.given_account().await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let identity = Arc::clone(&identity);
        let tokens = ada.tokens.clone();
        tasks.spawn(async move { identity.refresh(&tokens).await });
    }

    let won: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();

    assert_eq!(won.len(), 1);
    // Strict: nobody can tell a thief from a client that asked twice.
    let outcome = identity.refresh(&won[0]).await;
    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    assert_eq!(identity.revocations().await, 1);
}

#[sqlx::test(migrations = false)]
async fn another_session_of_the_account_lives_on(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let phone = identity.log_in(&ada.email, crate::harness::PASSWORD).await;
    let phone = phone.unwrap().tokens.unwrap();
    identity.refresh(&ada.tokens).await.unwrap();
    identity.refresh(&ada.tokens).await.unwrap_err();

    assert!(identity.refresh(&phone).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn who_knows_a_sessions_id_alone_cannot_end_it(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let forged = RefreshToken::first(SessionId(ada.caller.session_id));
    let forged = pb::Tokens {
        refresh_token: forged.encode().to_string(),
        ..pb::Tokens::default()
    };

    let outcome = identity.refresh(&forged).await;

    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    assert!(identity.refresh(&ada.tokens).await.is_ok());
}

#[sqlx::test(migrations = false)]
async fn what_is_no_token_is_refused(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    for text in ["", "nonsense", &"A".repeat(107), &ada.tokens.access_token] {
        let tokens = pb::Tokens {
            refresh_token: text.to_owned(),
            ..pb::Tokens::default()
        };
        let outcome = identity.refresh(&tokens).await;
        assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    }
}

#[sqlx::test(migrations = false)]
async fn when_redis_has_lost_its_data_the_session_is_over(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let session = SessionId(ada.caller.session_id);
    identity.app.sessions.end(session).await.unwrap();

    let outcome = identity.refresh(&ada.tokens).await;

    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
}

#[sqlx::test(migrations = false)]
async fn without_redis_nobody_knows(pool: PgPool) {
    let with = Harness::new(pool.clone()).await;
    let ada = with.given_account().await;
    let without = Harness::without_redis(pool).await;

    let outcome = without.refresh(&ada.tokens).await;

    assert_refused(outcome, Code::Unavailable, "SESSIONS_UNAVAILABLE");
    assert!(with.refresh(&ada.tokens).await.is_ok());
}
