//! Leadership among the relays of a service's replicas: an advisory lock on a
//! connection of its own. Whoever has it reads and deletes over that same
//! connection, so a relay that lost its lock can do neither.

use std::sync::Arc;

use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

use super::store;
use crate::db::Db;

/// The advisory lock; "soukoutb" in ASCII. Locks are per database.
const LOCK_KEY: i64 = 0x736f_756b_6f75_7462;

/// The channel that the outbox's trigger notifies.
const CHANNEL: &str = "outbox";

/// The server ends a session whose client fell silent (in seconds: idle,
/// between probes; probes), so that a lock does not outlive its holder's
/// machine for long.
const KEEPALIVES: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// Connections of its own, outside of the pool: one that may hold the lock,
/// one that hears of commits.
pub(super) struct Leader {
    pub(super) connection: PgConnection,
}

impl Leader {
    /// Connects and tries to take the lock; `None` when somebody else has it.
    pub(super) async fn elect(db: &Db) -> sqlx::Result<Option<Self>> {
        let mut connection = PgConnection::connect_with(&options(db)).await?;
        if store::try_lead(&mut connection, LOCK_KEY).await? {
            return Ok(Some(Self { connection }));
        }
        connection.close().await?;
        Ok(None)
    }
}

/// Hears of commits, over a connection of its own.
pub(super) async fn listen(db: &Db) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options(db));
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

fn options(db: &Db) -> PgConnectOptions {
    Arc::unwrap_or_clone(db.writer().connect_options()).options(KEEPALIVES)
}
