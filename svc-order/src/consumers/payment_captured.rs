//! The money was taken: the order is confirmed, or the money must go back.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
    outbox,
};

use super::{amount, id, lock};
use crate::{
    app::App,
    order::lifecycle::{Captured, Payment, Unusable},
    store::orders,
};

/// Hears `souk.payment.captured.v1`.
pub struct OnPaymentCaptured {
    clock: Clock,
}

impl OnPaymentCaptured {
    /// With the app's clock.
    pub fn new(app: &App) -> Self {
        Self {
            clock: app.clock.clone(),
        }
    }
}

impl Consumer for OnPaymentCaptured {
    type Event = event::PaymentCaptured;
    const NAME: &'static str = "order-payment-captured";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let payment = Payment {
            id: id("payment_id", &event.payment_id)?,
            amount: amount(event.amount.as_ref())?,
        };
        let mut order = lock(tx, &event.order_id).await?;
        let before = order.version;
        match order.captured(&payment, self.clock.now()) {
            Captured::Confirmed => {
                orders::save(tx, &order).await?;
                outbox::put(tx, &order.confirmed(), &self.clock).await?;
                tracing::info!(order_id = %order.id, "confirmed");
            }
            Captured::Already => {}
            // svc-payment has heard, or will hear, that the order is
            // cancelled, and refunds by itself.
            Captured::MustRefund(Unusable::Cancelled) => {
                if order.version != before {
                    orders::save(tx, &order).await?;
                }
                tracing::warn!(order_id = %order.id, payment_id = %payment.id, "captured too late");
            }
            // Nobody refunds this by itself: people must look. The order stays
            // as it is, and times out if nothing better comes.
            Captured::MustRefund(why @ (Unusable::NotRequested | Unusable::WrongAmount)) => {
                return Err(ConsumeError::reject(format!(
                    "payment {} over {} must be refunded: {why:?} by the order, which is {} and costs {}",
                    payment.id, payment.amount, order.status, order.total
                )));
            }
        }
        Ok(())
    }
}
