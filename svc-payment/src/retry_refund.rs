//! Has the provider asked again for a refund that it has refused.

use crate::{
    app::App,
    error::Error,
    refund::{Refund, RefundId, Status},
    store::{checkouts, refunds},
};

/// Queues a refused refund again. One that is under way stays as it is.
///
/// # Errors
/// [`Error::RefundNotFound`], [`Error::RefundDone`].
pub async fn retry_refund(app: &App, id: RefundId) -> Result<Refund, Error> {
    let now = app.clock.now();
    let Some(refund) = refunds::get(app.db.writer(), id).await? else {
        return Err(Error::RefundNotFound);
    };
    let mut tx = app.db.begin().await?;
    checkouts::lock(&mut tx, refund.order_id, now).await?;
    let Some(refund) = refunds::lock(&mut tx, id).await? else {
        return Err(Error::RefundNotFound);
    };
    match refund.status {
        Status::Requested => return Ok(refund),
        Status::Refunded => return Err(Error::RefundDone),
        Status::Refused => {}
    }
    refunds::retry(&mut tx, id, now).await?;
    tx.commit().await?;
    tracing::info!(refund_id = %id, order_id = %refund.order_id, "refund asked for again");
    Ok(Refund {
        status: Status::Requested,
        update_time: now,
        ..refund
    })
}
