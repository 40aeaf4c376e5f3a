//! What the services' tests share. Nothing in here runs in production.

pub mod nats_server;

use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    caller::Caller,
    clock::Clock,
    db::Db,
    id::AccountId,
    nats::{Nats, NatsConfig},
    redis::RedisConfig,
};

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
pub async fn migrated(pool: PgPool, service: &sqlx::migrate::Migrator) -> Db {
    let db = Db::from_pool(pool);
    #[expect(clippy::expect_used, reason = "a test without its tables cannot go on")]
    crate::db::migrate(&db, service).await.expect("migrations");
    db
}

/// The tests' NATS.
///
/// # Panics
/// When there is none.
pub async fn nats() -> Nats {
    let config = NatsConfig::new(server_url("SOUK_TEST_NATS_URL"));
    #[expect(clippy::expect_used, reason = "a test without its server cannot go on")]
    let nats = Nats::connect(&config).await.expect("the tests' NATS");
    assert!(nats.is_connected(), "the tests' NATS does not answer");
    nats
}

/// The subjects of the events that wait in the outbox, oldest first.
///
/// # Panics
/// When the database does not answer.
pub async fn outbox_subjects(db: &Db) -> Vec<String> {
    #[expect(
        clippy::expect_used,
        reason = "a test without its database cannot go on"
    )]
    crate::outbox::subjects(db).await.expect("the outbox")
}

/// Some customer.
pub fn caller() -> Caller {
    Caller {
        account_id: AccountId::generate(&Clock::system()),
        session_id: Uuid::from_bytes(crate::random::bytes()),
        roles: vec!["customer".to_owned()],
    }
}
