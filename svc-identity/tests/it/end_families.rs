//! What a crash or an absent Redis left behind is removed.

use std::time::Duration;

use sqlx::PgPool;
use svc_identity::{
    jobs::end_families::end_families, refresh_token::RefreshToken, session::REFRESH_TOKEN_LIFE,
    session::SessionId, store::revoked_sessions,
};
use svc_kit::job::Progress;
use tonic::Code;

use crate::harness::{Harness, assert_refused};

#[sqlx::test(migrations = false)]
async fn a_log_out_without_redis_ends_the_session_at_once(pool: PgPool) {
    let identity = Harness::new(pool.clone()).await;
    let ada = identity.given_account().await;
    let without = Harness::without_redis(pool).await;

    without.log_out(&ada).await.unwrap();

    // The family is still in Redis, and of no use.
    let presented = RefreshToken::parse(&ada.tokens.refresh_token).unwrap();
    assert!(
        identity
            .app
            .sessions
            .find(&presented)
            .await
            .unwrap()
            .is_some()
    );
    let outcome = identity.refresh(&ada.tokens).await;
    assert_refused(outcome, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");

    assert_eq!(end_families(&identity.app).await.unwrap(), Progress::Idle);
    assert!(
        identity
            .app
            .sessions
            .find(&presented)
            .await
            .unwrap()
            .is_none()
    );
    let left = revoked_sessions::unfinished(identity.app.db.writer(), 10).await;
    assert_eq!(left.unwrap(), []);
}

#[sqlx::test(migrations = false)]
async fn a_revocation_is_forgotten_when_no_token_can_ask_for_it(pool: PgPool) {
    let identity = Harness::new(pool).await;
    let ada = identity.given_account().await;
    let session = SessionId(ada.caller.session_id);
    identity.log_out(&ada).await.unwrap();

    identity.clock.advance(REFRESH_TOKEN_LIFE);
    end_families(&identity.app).await.unwrap();
    let db = identity.app.db.writer();
    assert!(revoked_sessions::contains(db, session).await.unwrap());

    identity.clock.advance(Duration::from_hours(25));
    end_families(&identity.app).await.unwrap();
    assert!(!revoked_sessions::contains(db, session).await.unwrap());
}
