//! What a service hears. Reading is exactly-once in effect: the kit opens a
//! transaction, claims the events in the inbox, calls the handler, commits, and
//! then acknowledges. Handlers never acknowledge, never publish and never talk
//! to NATS; what they announce goes to the outbox, in the same transaction.
//!
//! What waits is handled together, in one transaction for the whole batch: one
//! commit, and one lock on a hot row, for many events. The batch is sorted by
//! aggregate, so that all batches lock in one order; an aggregate's events stay
//! as they came. Ids are made in the order of time, so this is about the order
//! of making, too. When a batch fails, its events are handled one by one, each
//! in a transaction of its own: one bad event spoils nothing for the others.
//!
//! The order of an aggregate's events is kept within one replica as long as
//! nothing has to be retried; a handler whose outcome depends on it compares
//! versions or states.

mod batch;
mod deliver;
mod failure;
mod message;
mod metrics;
mod pull;
mod worker;

use std::error::Error;

use futures::future::BoxFuture;
use proto::events::Event;
use sqlx::PgConnection;
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span};

use crate::{
    Shutdown,
    db::Db,
    error::{Kind, ServiceError as _, StoreError},
    inbox, job,
    nats::Nats,
};

pub use deliver::{Delivered, HANDLE_TIMEOUT, deliver};
pub use failure::ATTEMPTS;

/// One function of one event.
pub trait Consumer: Send + Sync + 'static {
    /// What it hears. The subject comes from `proto::events`.
    type Event: Event;

    /// The durable name, the service first: "order-stock-reserved". It must
    /// never change, or the consumer begins anew.
    const NAME: &'static str;

    /// Handles the event within the transaction, which is committed when this
    /// succeeds and rolled back when it does not.
    ///
    /// # Errors
    /// [`ConsumeError::retry`] when it may work later, [`ConsumeError::reject`]
    /// when it never will.
    fn handle(
        &self,
        tx: &mut PgConnection,
        event: Self::Event,
    ) -> impl Future<Output = Result<(), ConsumeError>> + Send;

    /// Handles several events within one transaction, sorted by aggregate. A
    /// consumer that can do better than one after the other says how here.
    ///
    /// # Errors
    /// As [`Self::handle`]; nothing of the batch is done then, and each event is
    /// given to [`Self::handle`] by itself.
    fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<Self::Event>>,
    ) -> impl Future<Output = Result<(), ConsumeError>> + Send {
        async move {
            for Heard { event, span } in events {
                self.handle(tx, event).instrument(span).await?;
            }
            Ok(())
        }
    }
}

/// An event in the hands of a consumer.
#[derive(Debug, Clone)]
pub struct Heard<E> {
    /// What happened.
    pub event: E,
    /// To what its handling belongs: what is logged and announced within it is
    /// part of the event's trace.
    pub span: Span,
}

impl<E> Heard<E> {
    /// An event that is handled in the current span.
    pub fn here(event: E) -> Self {
        Self {
            event,
            span: Span::current(),
        }
    }

    /// What a consumer makes of the event.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<T>(
        self,
        read: impl FnOnce(E) -> Result<T, ConsumeError>,
    ) -> Result<Heard<T>, ConsumeError> {
        Ok(Heard {
            event: read(self.event)?,
            span: self.span,
        })
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Why an event was not handled.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// It may work later. Tried again with back-off, up to [`ATTEMPTS`] times.
    #[error("retry: {0}")]
    Retry(#[source] BoxError),
    /// Something that is needed is away. Tried again with back-off for as long
    /// as it takes.
    #[error("unavailable: {0}")]
    Unavailable(#[source] BoxError),
    /// It will never work. The event goes to the dead letters.
    #[error("reject: {0}")]
    Reject(String),
}

impl ConsumeError {
    /// It may work later; after [`ATTEMPTS`] times the event is given up.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::Retry(error.into())
    }

    /// Something that is needed is away: a database, a neighbour. The event is
    /// never given up for this.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        Self::Unavailable(error.into())
    }

    /// It will never work, and why. No personal data: the reason is kept.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }
}

impl From<StoreError> for ConsumeError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            Kind::Unavailable => Self::unavailable(error),
            _ => Self::retry(error),
        }
    }
}

impl From<sqlx::Error> for ConsumeError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

type Start = Box<dyn FnOnce(worker::Surroundings, Shutdown) -> BoxFuture<'static, ()> + Send>;

/// All consumers of a service.
#[must_use = "consumers do nothing until they run"]
pub struct Consumers {
    surroundings: worker::Surroundings,
    starts: Vec<Start>,
}

impl Consumers {
    /// None yet.
    pub fn new(db: Db, nats: Nats) -> Self {
        Self {
            surroundings: worker::Surroundings::new(db, nats),
            starts: Vec::new(),
        }
    }

    /// Adds one.
    #[expect(clippy::should_implement_trait, reason = "it adds, but it is no sum")]
    pub fn add<C: Consumer>(mut self, consumer: C) -> Self {
        self.starts.push(Box::new(|surroundings, shutdown| {
            Box::pin(worker::run(surroundings, consumer, shutdown))
        }));
        self
    }

    /// Runs all of them, a task each, until told to stop; what is being
    /// handled then is handled to its end. Keeps the inbox small meanwhile.
    ///
    /// # Errors
    /// Only for a fault in the kit: what handlers, the database or NATS do is
    /// logged, and tried again.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for start in self.starts {
            tasks.spawn(start(self.surroundings.clone(), shutdown.clone()));
        }
        let prune = inbox::Prune::new(self.surroundings.db.clone());
        let prune = job::run(prune, inbox::PRUNE_EVERY, None, shutdown);
        let consume = async {
            while let Some(ended) = tasks.join_next().await {
                ended?;
            }
            Ok(())
        };
        tokio::try_join!(consume, prune)?;
        self.surroundings.nats.flush().await;
        Ok(())
    }
}
