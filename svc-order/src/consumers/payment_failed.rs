//! The money cannot be had: the order is called off.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
};

use super::{called_off, id, lock};
use crate::{
    app::App,
    order::{CancelReason, lifecycle::CalledOff},
};

/// The reason when svc-payment gives none.
const REASON: &str = "PAYMENT_FAILED";

/// Hears `souk.payment.failed.v1`.
pub struct OnPaymentFailed {
    clock: Clock,
}

impl OnPaymentFailed {
    /// With the app's clock.
    pub fn new(app: &App) -> Self {
        Self {
            clock: app.clock.clone(),
        }
    }
}

impl Consumer for OnPaymentFailed {
    type Event = event::PaymentFailed;
    const NAME: &'static str = "order-payment-failed";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let payment_id = id("payment_id", &event.payment_id)?;
        let mut order = lock(tx, &event.order_id).await?;
        let reason = CancelReason::given(&event.reason, REASON);
        match order.payment_failed(payment_id, reason, self.clock.now()) {
            CalledOff::Already => Ok(()),
            CalledOff::Impossible => Err(ConsumeError::reject(format!(
                "payment {payment_id} failed, but not for this order, which is {}",
                order.status
            ))),
            CalledOff::Cancelled => {
                called_off(tx, &order, &self.clock).await?;
                tracing::info!(order_id = %order.id, reason = event.reason, "cancelled: no money");
                Ok(())
            }
        }
    }
}
