//! What a service announces: a row in the transaction of the change, which a
//! [`Relay`] publishes once the transaction is committed. Nothing is ever
//! published from inside a transaction, and nothing but the relay deletes.
//!
//! **Order.** Rows are published in the order of `seq`. A sequence is drawn
//! when a row is inserted, not when its transaction commits, so across
//! aggregates a row may become visible after one with a higher number. Within
//! one aggregate it cannot, as long as whoever announces something about an
//! aggregate first locks the aggregate's row (updates it, or selects it `FOR
//! UPDATE`) in the same transaction, and then calls [`put`]: the next
//! transaction on that row draws its number only after this one has
//! committed. The order of an aggregate's events is then the order of its
//! commits.

mod leader;
mod publish;
mod relay;
mod store;

use proto::events::Event;
use sqlx::{PgConnection, migrate::Migrator};
use uuid::Uuid;

use crate::{clock::Clock, db::Db, error::StoreError, id, telemetry};

pub use relay::{Relay, RelayError};
pub use store::Columns;

/// The kit's own tables, the outbox and the inbox. They are kept in the
/// migrations table `_kit_migrations`, beside the service's own. Run them
/// before the service's.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The largest payload, in bytes. NATS refuses a message above 1 MiB, headers
/// included, and one row that cannot be published would hold up all others.
pub const MAX_PAYLOAD_BYTES: usize = 512 * 1024;

/// Announces an event, if the transaction commits. It carries the trace of the
/// current span. Returns the event's id.
///
/// # Errors
/// [`StoreError::Database`]; [`StoreError::Corrupt`] for a payload above
/// [`MAX_PAYLOAD_BYTES`].
pub async fn put<E: Event>(
    tx: &mut PgConnection,
    event: &E,
    clock: &Clock,
) -> Result<Uuid, StoreError> {
    let mut events = Batch::new(clock);
    let id = events.add(event)?;
    events.put(tx).await?;
    Ok(id)
}

/// Events that are announced together, in the order in which they were added.
#[must_use = "nothing is announced before it is put"]
pub struct Batch<'a> {
    clock: &'a Clock,
    rows: Vec<store::NewRow>,
}

impl<'a> Batch<'a> {
    /// None yet.
    pub fn new(clock: &'a Clock) -> Self {
        Self {
            clock,
            rows: Vec::new(),
        }
    }

    /// Adds an event. It carries the trace of the current span. Returns its id.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a payload above [`MAX_PAYLOAD_BYTES`].
    pub fn add<E: Event>(&mut self, event: &E) -> Result<Uuid, StoreError> {
        let payload = event.encode_to_vec();
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(StoreError::Corrupt {
                table: "outbox",
                why: format!("{} has {} bytes", E::TYPE, payload.len()),
            });
        }
        let id = id::generate(self.clock);
        self.rows.push(store::NewRow {
            id,
            subject: E::SUBJECT,
            r#type: E::TYPE,
            aggregate_id: event.aggregate_id().to_owned(),
            payload,
            trace_parent: telemetry::current_traceparent(),
            create_time: self.clock.now(),
        });
        Ok(id)
    }

    /// The events, column by column, for a statement of a service's own that
    /// makes rows and announces them in one: it hands them to the kit's SQL
    /// function `outbox_put`, with the ids of the aggregates that it has made.
    pub fn columns(&self) -> Columns<'_> {
        Columns::of(&self.rows)
    }

    /// Announces them, if the transaction commits.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put(self, tx: &mut PgConnection) -> Result<(), StoreError> {
        if !self.rows.is_empty() {
            store::insert_all(tx, &self.rows).await?;
        }
        Ok(())
    }
}

/// The subjects that wait, oldest first.
pub(crate) async fn subjects(db: &Db) -> sqlx::Result<Vec<String>> {
    store::subjects(db).await
}
