//! Announces what became of a payment.

use proto::souk::event::v1 as event;
use svc_kit::{error::StoreError, outbox};

use crate::payment::{Payment, Status};

/// Adds that the money was taken, or why not. About a payment that is still
/// open, was never charged or was given back whole, there is nothing to say that
/// svc-order waits for.
///
/// # Errors
/// When the event is too large.
pub fn announce_outcome(
    announced: &mut outbox::Batch<'_>,
    payment: &Payment,
) -> Result<(), StoreError> {
    match payment.status {
        Status::Captured | Status::PartiallyRefunded => {
            announced.add(&event::PaymentCaptured {
                order_id: payment.order_id.to_string(),
                payment_id: payment.id.to_string(),
                amount: Some(payment.amount.into()),
            })?;
        }
        Status::Failed => {
            announced.add(&event::PaymentFailed {
                order_id: payment.order_id.to_string(),
                payment_id: payment.id.to_string(),
                reason: payment.failure_reason.clone().unwrap_or_default(),
            })?;
        }
        Status::Requested | Status::Cancelled | Status::Refunded => {}
    }
    Ok(())
}
