//! An order is reserved and paid.

use proto::souk::event::v1::OrderConfirmed;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id::AccountId,
};

use super::{parse_id, total};
use crate::{app::App, notice::Notice, queue_notice::queue_notice};

/// Tells the customer.
#[derive(Debug, Clone)]
pub struct OnOrderConfirmed {
    /// This service.
    pub app: App,
}

impl Consumer for OnOrderConfirmed {
    type Event = OrderConfirmed;
    const NAME: &'static str = "notify-order-confirmed";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let account_id = AccountId(parse_id("account_id", &event.account_id)?);
        let notice = Notice::OrderConfirmed {
            order_id: parse_id("order_id", &event.order_id)?,
            items: event
                .lines
                .iter()
                .map(|line| i64::from(line.quantity))
                .sum(),
            total: total(event.total.as_ref())?,
        };
        queue_notice(&self.app, tx, account_id, &notice).await?;
        Ok(())
    }
}
