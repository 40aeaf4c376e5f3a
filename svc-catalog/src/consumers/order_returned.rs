//! Some of an order came back: what is whole goes on sale again.

use proto::souk::event::v1::OrderReturned;
use sqlx::PgConnection;
use svc_kit::consumer::{ConsumeError, Consumer};

use super::{lines, order_id};
use crate::{app::App, restock::restock};

/// Restocks.
#[derive(Debug, Clone)]
pub struct OnOrderReturned {
    /// What it works with.
    pub app: App,
}

impl Consumer for OnOrderReturned {
    type Event = OrderReturned;
    const NAME: &'static str = "catalog-order-returned";

    async fn handle(
        &self,
        tx: &mut PgConnection,
        event: OrderReturned,
    ) -> Result<(), ConsumeError> {
        if event.restocked.is_empty() {
            return Ok(());
        }
        let order_id = order_id(&event.order_id)?;
        let return_id = event
            .return_id
            .parse()
            .map_err(|_| ConsumeError::reject("the return id is no UUID"))?;
        let lines = lines(&event.restocked)?;
        Ok(restock(&self.app, tx, order_id, return_id, &lines).await?)
    }
}
