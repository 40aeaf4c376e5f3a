//! What the services' tests share. Nothing in here runs in production.

use sqlx::PgPool;
use uuid::Uuid;

use crate::{caller::Caller, clock::Clock, id::AccountId, redis::RedisConfig};

/// The address of a real server that the test runner has started.
///
/// # Panics
/// When it has not: the test cannot tell anything then.
pub fn server_url(variable: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where the servers are by the environment"
    )]
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests by `make test`"))
}

/// The tests' Redis.
///
/// # Panics
/// When there is none.
pub async fn redis() -> fred::clients::Pool {
    let config = RedisConfig {
        url: server_url("SOUK_TEST_REDIS_URL").into(),
    };
    #[expect(clippy::expect_used, reason = "a test without its server cannot go on")]
    crate::redis::connect(&config)
        .await
        .expect("the tests' Redis")
}

/// A database with the kit's and the service's tables.
///
/// # Panics
/// When a migration fails.
pub async fn migrated(pool: PgPool, service: &sqlx::migrate::Migrator) -> crate::db::Db {
    let db = crate::db::Db::from_pool(pool);
    #[expect(clippy::expect_used, reason = "a test without its tables cannot go on")]
    crate::db::migrate(&db, service).await.expect("migrations");
    db
}

/// Some customer.
pub fn caller() -> Caller {
    Caller {
        account_id: AccountId::generate(&Clock::system()),
        session_id: Uuid::from_bytes(crate::random::bytes()),
        roles: vec!["customer".to_owned()],
    }
}
