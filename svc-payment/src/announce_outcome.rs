//! Announces what became of a payment.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::outbox;

use crate::{
    app::App,
    error::Error,
    payment::{Payment, Status},
};

/// Announces that the money was taken, or why not. About a payment that is
/// still open, was never charged or was given back whole, there is nothing to say
/// that svc-order waits for.
///
/// # Errors
/// When the database does not answer.
pub async fn announce_outcome(
    app: &App,
    tx: &mut PgConnection,
    payment: &Payment,
) -> Result<(), Error> {
    match payment.status {
        Status::Captured | Status::PartiallyRefunded => {
            let captured = event::PaymentCaptured {
                order_id: payment.order_id.to_string(),
                payment_id: payment.id.to_string(),
                amount: Some(payment.amount.into()),
            };
            outbox::put(tx, &captured, &app.clock).await?;
        }
        Status::Failed => {
            let failed = event::PaymentFailed {
                order_id: payment.order_id.to_string(),
                payment_id: payment.id.to_string(),
                reason: payment.failure_reason.clone().unwrap_or_default(),
            };
            outbox::put(tx, &failed, &app.clock).await?;
        }
        Status::Requested | Status::Cancelled | Status::Refunded => {}
    }
    Ok(())
}
