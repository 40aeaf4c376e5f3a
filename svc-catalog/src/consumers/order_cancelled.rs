//! An order was cancelled: give its stock back.

use proto::souk::event::v1::OrderCancelled;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer, Heard};

use super::order_id;
use crate::{app::App, release_stock::release_stock};

/// Releases.
#[derive(Debug, Clone)]
pub struct OnOrderCancelled {
    /// What it works with.
    pub app: App,
}

impl Consumer for OnOrderCancelled {
    type Event = OrderCancelled;
    const NAME: &'static str = "catalog-order-cancelled";

    async fn handle(
        &self,
        tx: &mut PgConnection,
        event: OrderCancelled,
    ) -> Result<(), ConsumeError> {
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<OrderCancelled>>,
    ) -> Result<(), ConsumeError> {
        let order_ids = events
            .iter()
            .map(|heard| order_id(&heard.event.order_id))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(release_stock(&self.app, tx, &order_ids).await?)
    }
}
