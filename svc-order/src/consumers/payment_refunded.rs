//! The money was given back.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
};

use super::{amount, id, lock};
use crate::{
    app::App,
    order::lifecycle::{Payment, Refunded},
    store::orders,
};

/// Hears `souk.payment.refunded.v1`.
pub struct OnPaymentRefunded {
    clock: Clock,
}

impl OnPaymentRefunded {
    /// With the app's clock.
    pub fn new(app: &App) -> Self {
        Self {
            clock: app.clock.clone(),
        }
    }
}

impl Consumer for OnPaymentRefunded {
    type Event = event::PaymentRefunded;
    const NAME: &'static str = "order-payment-refunded";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let payment = Payment {
            id: id("payment_id", &event.payment_id)?,
            amount: amount(event.amount.as_ref())?,
        };
        let mut order = lock(tx, &event.order_id).await?;
        match order.refunded(&payment, self.clock.now()) {
            Refunded::Noted => {
                orders::save(tx, &order).await?;
                tracing::info!(order_id = %order.id, "refunded");
                Ok(())
            }
            Refunded::Already => Ok(()),
            Refunded::Unexpected => Err(ConsumeError::reject(format!(
                "{} of payment {} were refunded for an order that is {} and costs {}",
                payment.amount, payment.id, order.status, order.total
            ))),
        }
    }
}
