//! Leadership among the relays of a service's replicas: an advisory lock on a
//! connection of its own. Whoever has it reads and deletes over that same
//! connection, so a relay that lost its lock can do neither.
//!
//! A second lock says that the leader is awake, that is, looks every few
//! milliseconds. Transactions leave out their notification then (see the
//! trigger in the migration). Before it sleeps, the leader gives that lock
//! back, makes sure that no transaction is open that wrote while it was held,
//! and looks once more; who writes later finds the lock free, and notifies.

use std::sync::Arc;

use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

use super::store;
use crate::db::Db;

/// The advisory lock; "soukoutb" in ASCII. Locks are per database.
const LEADER_KEY: i64 = 0x736f_756b_6f75_7462;

/// The advisory lock of a leader that is awake; "soukwake" in ASCII, as in the
/// migration.
const AWAKE_KEY: i64 = 0x736f_756b_7761_6b65;

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

/// The connection that holds the lock, outside of the pool.
pub(super) struct Leader {
    pub(super) connection: PgConnection,
    awake: bool,
}

impl Leader {
    /// Connects and tries to take the lock; `None` when somebody else has it.
    pub(super) async fn elect(db: &Db) -> sqlx::Result<Option<Self>> {
        let mut connection = PgConnection::connect_with(&options(db)).await?;
        if store::try_lock(&mut connection, LEADER_KEY).await? {
            return Ok(Some(Self {
                connection,
                awake: false,
            }));
        }
        connection.close().await?;
        Ok(None)
    }

    /// Nobody needs to notify this leader.
    pub(super) fn is_awake(&self) -> bool {
        self.awake
    }

    /// From now on this leader looks by itself. When somebody is just asking
    /// whether it does, it says so the next time.
    pub(super) async fn wake(&mut self) -> sqlx::Result<()> {
        if !self.awake {
            self.awake = store::try_lock(&mut self.connection, AWAKE_KEY).await?;
        }
        Ok(())
    }

    /// From now on this leader wants to be notified, if nobody still believes
    /// that it is awake.
    pub(super) async fn sleep(&mut self) -> sqlx::Result<()> {
        store::unlock(&mut self.connection, AWAKE_KEY).await?;
        self.awake = false;
        if store::being_written(&mut self.connection).await? {
            self.wake().await?;
        }
        Ok(())
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
