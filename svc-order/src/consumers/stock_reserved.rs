//! The stock is reserved: the payment is requested.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
    outbox,
};

use super::lock;
use crate::{
    app::App,
    checkout::CheckoutRules,
    order::{PaymentId, lifecycle::Reserved},
    store::orders,
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
        let mut order = lock(tx, &event.order_id).await?;
        match order.reserved(
            PaymentId::generate(&self.clock),
            &self.rules,
            self.clock.now(),
        ) {
            // svc-catalog releases what it reserved when it hears that the
            // order is cancelled.
            Reserved::Already | Reserved::TooLate => return Ok(()),
            Reserved::RequestPayment => {}
        }
        let requested = order.payment_requested();
        let requested =
            requested.ok_or_else(|| ConsumeError::reject("a reserved order has no payment"))?;
        orders::save(tx, &order).await?;
        outbox::put(tx, &requested, &self.clock).await?;
        tracing::info!(order_id = %order.id, payment_id = requested.payment_id, "reserved");
        Ok(())
    }
}
