//! Money was given back: all of it, or a part.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
};

use super::{amount, id, lock};
use crate::{
    app::App,
    order::lifecycle::{Payment, Refund, Refunded},
    store::{orders, refunds},
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
        let return_id = match event.return_id.as_str() {
            "" => None,
            text => Some(id("return_id", text)?),
        };
        let refund = Refund { payment, return_id };
        let refund_id = id("refund_id", &event.refund_id)?;
        let now = self.clock.now();
        let mut order = lock(tx, &event.order_id).await?;
        let before = order.refunded_total;
        match order.refunded(&refund, now) {
            Refunded::Noted => {
                if refunds::insert_once(tx, &order, refund_id, &refund, now).await? {
                    orders::save(tx, &order).await?;
                    tracing::info!(order_id = %order.id, amount = %payment.amount, all = order.refunded, "refunded");
                }
                Ok(())
            }
            Refunded::TooEarly => Err(ConsumeError::retry(format!(
                "payment {} was refunded before its capture was heard of",
                payment.id
            ))),
            Refunded::Unexpected if refunds::is_known(tx, &order, refund_id).await? => Ok(()),
            Refunded::Unexpected => Err(ConsumeError::reject(format!(
                "{} of payment {} were refunded for an order that is {} and costs {}, of which {before} went back before",
                payment.amount, payment.id, order.status, order.total
            ))),
        }
    }
}
