//! An order was placed: reserve its stock.

use proto::souk::event::v1::OrderPlaced;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer};

use super::{lines, order_id};
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
        let (order_id, lines) = (order_id(&event.order_id)?, lines(&event.lines)?);
        Ok(reserve_stock(&self.app, tx, order_id, &lines).await?)
    }
}
