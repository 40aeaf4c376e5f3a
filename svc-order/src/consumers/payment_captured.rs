//! The money was taken: the order is confirmed, or the money must go back.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer, Heard},
    outbox,
};

use super::{Held, amount, id};
use crate::{
    app::App,
    order::lifecycle::{Captured, Payment, Unusable},
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
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<Self::Event>>,
    ) -> Result<(), ConsumeError> {
        let mut held = Held::lock(tx, events.iter().map(|heard| &*heard.event.order_id)).await?;
        let mut confirmations = outbox::Batch::new(&self.clock);
        for Heard { event, span } in &events {
            span.in_scope(|| self.captured(&mut held, &mut confirmations, event))?;
        }
        held.save(tx).await?;
        Ok(confirmations.put(tx).await?)
    }
}

impl OnPaymentCaptured {
    fn captured(
        &self,
        held: &mut Held,
        confirmations: &mut outbox::Batch<'_>,
        event: &event::PaymentCaptured,
    ) -> Result<(), ConsumeError> {
        let payment = Payment {
            id: id("payment_id", &event.payment_id)?,
            amount: amount(event.amount.as_ref())?,
        };
        let order = held.order(&event.order_id)?;
        let (order_id, before) = (order.id, order.version);
        match order.captured(&payment, self.clock.now()) {
            Captured::Confirmed => {
                confirmations.add(&order.confirmed())?;
                held.changed(order_id)?;
                tracing::info!(%order_id, "confirmed");
            }
            Captured::Already => {}
            // svc-payment has heard, or will hear, that the order is
            // cancelled, and refunds by itself.
            Captured::MustRefund(Unusable::Cancelled) => {
                if order.version != before {
                    held.changed(order_id)?;
                }
                tracing::warn!(%order_id, payment_id = %payment.id, "captured too late");
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
