//! The stock cannot be had: the order is called off.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
};

use super::{called_off, lock};
use crate::{
    app::App,
    order::{CancelReason, lifecycle::CalledOff},
};

/// The reason when svc-catalog gives none.
const REASON: &str = "STOCK_INSUFFICIENT";

/// Hears `souk.stock.rejected.v1`.
pub struct OnStockRejected {
    clock: Clock,
}

impl OnStockRejected {
    /// With the app's clock.
    pub fn new(app: &App) -> Self {
        Self {
            clock: app.clock.clone(),
        }
    }
}

impl Consumer for OnStockRejected {
    type Event = event::StockRejected;
    const NAME: &'static str = "order-stock-rejected";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let mut order = lock(tx, &event.order_id).await?;
        match order.rejected(CancelReason::given(&event.reason, REASON), self.clock.now()) {
            CalledOff::Already => Ok(()),
            CalledOff::Impossible => Err(ConsumeError::reject(format!(
                "the stock of an order is rejected that is {}",
                order.status
            ))),
            CalledOff::Cancelled => {
                called_off(tx, &order, &self.clock).await?;
                tracing::info!(order_id = %order.id, reason = event.reason, "cancelled: no stock");
                Ok(())
            }
        }
    }
}
