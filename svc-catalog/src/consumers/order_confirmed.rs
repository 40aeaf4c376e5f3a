//! An order was confirmed: its stock leaves the shelf.

use proto::souk::event::v1::OrderConfirmed;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer, Heard};

use super::wanted;
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
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<OrderConfirmed>>,
    ) -> Result<(), ConsumeError> {
        let orders = events
            .into_iter()
            .map(|heard| heard.read(|event| wanted(&event.order_id, &event.lines)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(commit_stock(&self.app, tx, &orders).await?)
    }
}
