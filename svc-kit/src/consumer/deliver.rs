//! One transaction: claim, handle, commit. Knows nothing of NATS.

use std::{collections::HashSet, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{ConsumeError, Consumer, Heard};
use crate::{
    db::Db,
    fault::{self, Point},
    inbox, panics,
};

/// How long a handler may take with one event, or with one batch.
pub const HANDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The handler has handled it.
    Handled,
    /// It had been handled before.
    Duplicate,
}

/// Hands an event to a consumer as the loop does it, without NATS.
///
/// # Errors
/// What the handler said; a panic counts as [`ConsumeError::Reject`].
pub async fn deliver<C: Consumer>(
    db: &Db,
    consumer: &C,
    event_id: Uuid,
    event: C::Event,
) -> Result<Delivered, ConsumeError> {
    guarded(attempt(db, consumer, event_id, event)).await
}

/// Hands a batch to a consumer in one transaction. Returns the events that
/// were handled now; the others had been handled before.
pub(super) async fn deliver_all<C: Consumer>(
    db: &Db,
    consumer: &C,
    events: Vec<(Uuid, Heard<C::Event>)>,
) -> Result<HashSet<Uuid>, ConsumeError> {
    guarded(attempt_all(db, consumer, events)).await
}

async fn guarded<T>(
    attempt: impl Future<Output = Result<T, ConsumeError>>,
) -> Result<T, ConsumeError> {
    let attempt = AssertUnwindSafe(attempt).catch_unwind();
    match tokio::time::timeout(HANDLE_TIMEOUT, attempt).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(ConsumeError::reject(format!(
            "handler panicked: {}",
            panics::text(&*panic)
        ))),
        Err(_) => Err(ConsumeError::retry(format!(
            "not handled within {HANDLE_TIMEOUT:?}"
        ))),
    }
}

async fn attempt<C: Consumer>(
    db: &Db,
    consumer: &C,
    event_id: Uuid,
    event: C::Event,
) -> Result<Delivered, ConsumeError> {
    fault::passed_by(Point::ConsumerBeforeTransaction, C::NAME);
    let mut tx = db.begin().await?;
    if !inbox::claim(&mut tx, C::NAME, event_id).await? {
        return Ok(Delivered::Duplicate);
    }
    if let Err(error) = consumer.handle(&mut tx, event).await {
        return Err(undone(tx, error).await);
    }
    fault::passed_by(Point::ConsumerBeforeCommit, C::NAME);
    tx.commit().await?;
    fault::passed_by(Point::ConsumerAfterCommit, C::NAME);
    Ok(Delivered::Handled)
}

async fn attempt_all<C: Consumer>(
    db: &Db,
    consumer: &C,
    events: Vec<(Uuid, Heard<C::Event>)>,
) -> Result<HashSet<Uuid>, ConsumeError> {
    let ids: Vec<Uuid> = events.iter().map(|(id, _)| *id).collect();
    fault::passed_by(Point::BatchBeforeTransaction, C::NAME);
    let mut tx = db.begin().await?;
    let claimed = inbox::claim_all(&mut tx, C::NAME, &ids).await?;
    // An event that was delivered twice may stand in the batch twice.
    let mut left = claimed.clone();
    let fresh: Vec<Heard<C::Event>> = events
        .into_iter()
        .filter(|(id, _)| left.remove(id))
        .map(|(_, heard)| heard)
        .collect();
    if !fresh.is_empty()
        && let Err(error) = consumer.handle_all(&mut tx, fresh).await
    {
        return Err(undone(tx, error).await);
    }
    fault::passed_by(Point::BatchBeforeCommit, C::NAME);
    tx.commit().await?;
    fault::passed_by(Point::BatchAfterCommit, C::NAME);
    Ok(claimed)
}

/// Lets go of what a failed handler holds before anybody acts on its error:
/// dropped, a transaction is rolled back some time later.
async fn undone(tx: Transaction<'_, Postgres>, error: ConsumeError) -> ConsumeError {
    if let Err(fault) = tx.rollback().await {
        tracing::debug!(error = %fault, "not rolled back; the connection is closed");
    }
    error
}
