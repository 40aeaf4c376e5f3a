//! Announces the present step of an unfinished checkout again: reserve the
//! stock, or charge the customer. Who heard it before ignores it.

use sqlx::PgConnection;
use svc_kit::{clock::Clock, outbox};

use crate::{
    error::Error,
    order::{Order, Status},
    store::orders,
};

/// Announces the step of an order that the caller holds, and writes when it is
/// looked at next.
///
/// # Errors
/// Those of the database.
pub async fn announce_checkout(
    tx: &mut PgConnection,
    order: &Order,
    clock: &Clock,
) -> Result<(), Error> {
    orders::postpone(tx, order).await?;
    if order.status == Status::Pending {
        outbox::put(tx, &order.placed(), clock).await?;
    } else {
        let requested = order.payment_requested();
        let requested = requested.ok_or(Error::Impossible("a reserved order has no payment"))?;
        outbox::put(tx, &requested, clock).await?;
    }
    Ok(())
}
