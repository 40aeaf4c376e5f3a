//! Decides whether an order that a fraud screen doubts may be shipped. For
//! staff.

use svc_kit::{caller::Caller, error::StoreError, outbox};

use crate::{
    app::App,
    audit::{Action, AuditRecord},
    error::Error,
    order::{CancelReason, Order, OrderId, lifecycle::CalledOff},
    review::{Decided, Decision, Outcome, Review},
    store::{audit, orders, reviews},
};

/// What was decided.
#[derive(Debug, Clone)]
pub struct DecideReview {
    /// About which order.
    pub order_id: OrderId,
    /// How.
    pub decision: Decision,
    /// Why, in the words of staff.
    pub note: String,
}

/// Decides a review once. Rejecting calls the order off: its stock goes back,
/// and so does what was paid. The same decision again changes nothing.
///
/// # Errors
/// `NotFound` for an order without a review, `Conflict` when it was decided
/// otherwise.
#[tracing::instrument(name = "order.decide_review", skip_all, fields(order_id = %command.order_id))]
pub async fn decide_review(
    app: &App,
    by: &Caller,
    command: DecideReview,
) -> Result<(Review, Order), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut order = orders::lock(&mut tx, command.order_id)
        .await?
        .ok_or(Error::OrderUnknown)?;
    let mut review = reviews::find(&mut tx, order.account_id, order.id)
        .await?
        .ok_or(Error::ReviewUnknown)?;
    let decided = Decided {
        by: by.account_id,
        at: now,
        note: command.note.clone(),
    };
    match review.decide(command.decision, decided) {
        Outcome::Already => return Ok((review, order)),
        Outcome::Otherwise => return Err(Error::ReviewDecided(review.state)),
        Outcome::Decided => {}
    }
    reviews::save(&mut tx, &review).await?;
    let action = match command.decision {
        Decision::Approve => Action::ReviewApproved,
        Decision::Reject => Action::ReviewRejected,
    };
    if command.decision == Decision::Reject {
        match order.cancelled_by_staff(CancelReason::review_rejected(), now) {
            CalledOff::Cancelled => {
                orders::save(&mut tx, &order).await?;
                outbox::put(&mut tx, &order.cancelled(), &app.clock).await?;
            }
            CalledOff::Already => {}
            CalledOff::Impossible => {
                return Err(Error::Impossible("an order in review was shipped"));
            }
        }
    }
    let record = AuditRecord::new(action, &order, by, &command.note, &app.clock);
    audit::insert(&mut tx, &record).await?;
    tx.commit().await.map_err(StoreError::from)?;
    tracing::info!(state = %review.state, "reviewed");
    Ok((review, order))
}
