//! Postgres: one pool for writing, one for reads that may be a little stale.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{
    Connection as _, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{error::StoreError, outbox, secret::Secret};

/// What the server ends by itself, in milliseconds: a statement, a wait for a
/// lock, a transaction that nobody goes on with. No caller waits as long.
const SESSION_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "60000"),
    ("lock_timeout", "15000"),
    ("idle_in_transaction_session_timeout", "60000"),
];

/// How long a connection may have been idle that is used without a look whether
/// it still lives.
const TRUST_IDLE: Duration = Duration::from_millis(500);

/// Where the database is and how much of it is used.
#[derive(Debug, Clone, clap::Args)]
pub struct DbConfig {
    /// The database that is written to.
    #[arg(
        id = "database_url",
        long = "database-url",
        env = "SOUK_DATABASE_URL",
        hide_env_values = true
    )]
    pub url: Secret,
    /// A replica for reads that may be stale; without it they go to the writer.
    #[arg(
        id = "database_reader_url",
        long = "database-reader-url",
        env = "SOUK_DATABASE_READER_URL",
        hide_env_values = true
    )]
    pub reader_url: Option<Secret>,
    /// The most connections of each pool.
    #[arg(
        long = "database-max-connections",
        env = "SOUK_DATABASE_MAX_CONNECTIONS",
        default_value_t = 16
    )]
    pub max_connections: u32,
    /// How long a caller waits for a connection, in milliseconds.
    #[arg(
        long = "database-acquire-timeout-ms",
        env = "SOUK_DATABASE_ACQUIRE_TIMEOUT_MS",
        default_value_t = 3000
    )]
    pub acquire_timeout_ms: u64,
}

/// A database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    writer: PgPool,
    reader: PgPool,
}

impl Db {
    /// Connects.
    ///
    /// # Errors
    /// When the URL is malformed or the database does not answer in time.
    pub async fn connect(config: &DbConfig) -> anyhow::Result<Self> {
        let writer = pool(config, &config.url).await?;
        let reader = match &config.reader_url {
            Some(url) => pool(config, url).await?,
            None => writer.clone(),
        };
        Ok(Self { writer, reader })
    }

    /// A database of a pool that is there: for tests.
    pub fn from_pool(pool: PgPool) -> Self {
        Self {
            writer: pool.clone(),
            reader: pool,
        }
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// When no connection can be had in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(self.writer.begin().await?)
    }

    /// For writing, and for reading what was just written.
    pub fn writer(&self) -> &PgPool {
        &self.writer
    }

    /// For reads that may be stale.
    pub fn reader(&self) -> &PgPool {
        &self.reader
    }

    /// Asks the database whether it is there.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ping(&self) -> anyhow::Result<()> {
        sqlx::Executor::execute(&self.writer, "SELECT 1").await?;
        Ok(())
    }
}

async fn pool(config: &DbConfig, url: &Secret) -> anyhow::Result<PgPool> {
    // The error of a malformed URL would show the URL, and with it a password.
    let options: PgConnectOptions = url
        .expose()
        .parse()
        .map_err(|_| anyhow::anyhow!("the database URL is malformed"))?;
    let options = options.options(SESSION_LIMITS);
    PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        // A round trip for each use of a connection would be too much; one that
        // nobody used for a while may be dead without our knowing.
        .test_before_acquire(false)
        .before_acquire(|connection, seen| {
            Box::pin(async move {
                if seen.idle_for > TRUST_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await
        .context("the database cannot be reached")
}

/// Brings the tables up to date: the kit's, then the service's. Several
/// replicas may start at once; sqlx holds an advisory lock meanwhile.
///
/// # Errors
/// When a migration fails or was changed after it ran.
pub async fn migrate(db: &Db, service: &Migrator) -> anyhow::Result<()> {
    outbox::MIGRATIONS
        .run(db.writer())
        .await
        .context("migrations of the kit failed")?;
    service.run(db.writer()).await.context("migrations failed")
}
