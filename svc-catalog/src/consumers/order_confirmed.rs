//! An order was confirmed: its stock leaves the shelf.

use proto::souk::event::v1::OrderConfirmed;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer};

use super::{lines, order_id};
use crate::{app::App, commit_stock::commit_stock};

/// Commits.
#[derive(Debug, Clone)]
pub struct OnOrderConfirmed {
    /// What it works with.
    pub app: App,
}

impl Consumer for OnOrderConfirmed {
    type Event = OrderConfirmed;
    const NAME: &'static str = "catalog-order-confirmed";

    async fn handle(
        &self,
        tx: &mut PgConnection,
        event: OrderConfirmed,
    ) -> Result<(), ConsumeError> {
        let (order_id, lines) = (order_id(&event.order_id)?, lines(&event.lines)?);
        Ok(commit_stock(&self.app, tx, order_id, &lines).await?)
    }
}
