//! An order is on its way.

use proto::souk::event::v1::OrderShipped;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id::AccountId,
};

use super::parse_id;
use crate::{app::App, notice::Notice, queue_notice::queue_notice};

/// Tells the customer who carries it.
#[derive(Debug, Clone)]
pub struct OnOrderShipped {
    /// This service.
    pub app: App,
}

impl Consumer for OnOrderShipped {
    type Event = OrderShipped;
    const NAME: &'static str = "notify-order-shipped";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let account_id = AccountId(parse_id("account_id", &event.account_id)?);
        let notice = Notice::OrderShipped {
            order_id: parse_id("order_id", &event.order_id)?,
            carrier: event.carrier,
            tracking_code: event.tracking_code,
        };
        queue_notice(&self.app, tx, account_id, notice).await?;
        Ok(())
    }
}
