//! The stock is reserved: the payment is requested.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer, Heard},
    outbox,
};

use super::Held;
use crate::{
    app::App,
    checkout::CheckoutRules,
    order::{PaymentId, lifecycle::Reserved},
};

/// Hears `souk.stock.reserved.v1`.
pub struct OnStockReserved {
    clock: Clock,
    rules: CheckoutRules,
}

impl OnStockReserved {
    /// With the app's clock and rules.
    pub fn new(app: &App) -> Self {
        Self {
            clock: app.clock.clone(),
            rules: app.rules,
        }
    }
}

impl Consumer for OnStockReserved {
    type Event = event::StockReserved;
    const NAME: &'static str = "order-stock-reserved";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<Self::Event>>,
    ) -> Result<(), ConsumeError> {
        let mut held = Held::lock(tx, events.iter().map(|heard| &*heard.event.order_id)).await?;
        let mut requests = outbox::Batch::new(&self.clock);
        for Heard { event, span } in &events {
            span.in_scope(|| self.reserved(&mut held, &mut requests, &event.order_id))?;
        }
        held.save(tx).await?;
        Ok(requests.put(tx).await?)
    }
}

impl OnStockReserved {
    fn reserved(
        &self,
        held: &mut Held,
        requests: &mut outbox::Batch<'_>,
        order_id: &str,
    ) -> Result<(), ConsumeError> {
        let order = held.order(order_id)?;
        let payment_id = PaymentId::generate(&self.clock);
        match order.reserved(payment_id, &self.rules, self.clock.now()) {
            // svc-catalog releases what it reserved when it hears that the
            // order is cancelled.
            Reserved::Already | Reserved::TooLate => return Ok(()),
            Reserved::RequestPayment => {}
        }
        let requested = order.payment_requested();
        let requested =
            requested.ok_or_else(|| ConsumeError::reject("a reserved order has no payment"))?;
        let id = order.id;
        requests.add(&requested)?;
        held.changed(id)?;
        tracing::info!(order_id = %id, %payment_id, "reserved");
        Ok(())
    }
}
