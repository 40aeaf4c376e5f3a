//! An order is reserved and paid.

use proto::souk::event::v1::OrderConfirmed;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id::AccountId,
};

use super::{parse_id, total};
use crate::{
    app::App,
    delivery::Template,
    notice::{Notice, event_key},
    queue_notice::queue_notice,
    store::deliveries,
};

/// Tells the customer, unless it was called off since.
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
        let order_id = parse_id("order_id", &event.order_id)?;
        // Word of the cancellation was faster; nobody wants to hear both the
        // wrong way round.
        let cancellation = event_key(Template::OrderCancelled, order_id);
        if deliveries::is_told(&mut *tx, &cancellation).await? {
            return Ok(());
        }
        let notice = Notice::OrderConfirmed {
            order_id,
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
