//! An order was placed: reserve its stock.

use proto::souk::event::v1::OrderPlaced;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer, Heard};

use super::wanted;
use crate::{app::App, reserve_stock::reserve_stock};

/// Reserves.
#[derive(Debug, Clone)]
pub struct OnOrderPlaced {
    /// What it works with.
    pub app: App,
}

impl Consumer for OnOrderPlaced {
    type Event = OrderPlaced;
    const NAME: &'static str = "catalog-order-placed";

    async fn handle(&self, tx: &mut PgConnection, event: OrderPlaced) -> Result<(), ConsumeError> {
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<OrderPlaced>>,
    ) -> Result<(), ConsumeError> {
        let orders = events
            .into_iter()
            .map(|heard| heard.read(|event| wanted(&event.order_id, &event.lines)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(reserve_stock(&self.app, tx, &orders).await?)
    }
}
