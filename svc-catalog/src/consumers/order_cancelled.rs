//! An order was cancelled: give its stock back.

use proto::souk::event::v1::OrderCancelled;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer};

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
        Ok(release_stock(&self.app, tx, order_id(&event.order_id)?).await?)
    }
}
