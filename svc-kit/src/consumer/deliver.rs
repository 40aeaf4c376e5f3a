//! One event, one transaction: claim, handle, commit. Knows nothing of NATS.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use uuid::Uuid;

use super::{ConsumeError, Consumer};
use crate::{
    db::Db,
    fault::{self, Point},
    inbox, panics,
};

/// How long a handler may take with one event.
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
    let attempt = AssertUnwindSafe(attempt(db, consumer, event_id, event)).catch_unwind();
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
    consumer.handle(&mut tx, event).await?;
    fault::passed_by(Point::ConsumerBeforeCommit, C::NAME);
    tx.commit().await?;
    fault::passed_by(Point::ConsumerAfterCommit, C::NAME);
    Ok(Delivered::Handled)
}
