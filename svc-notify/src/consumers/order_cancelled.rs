//! An order was called off.

use proto::souk::event::v1::OrderCancelled;
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

/// Tells the customer, and why, and what becomes of the money.
#[derive(Debug, Clone)]
pub struct OnOrderCancelled {
    /// This service.
    pub app: App,
}

impl Consumer for OnOrderCancelled {
    type Event = OrderCancelled;
    const NAME: &'static str = "notify-order-cancelled";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let account_id = AccountId(parse_id("account_id", &event.account_id)?);
        let order_id = parse_id("order_id", &event.order_id)?;
        let confirmation = [event_key(Template::OrderConfirmed, order_id)];
        let was_confirmed = !deliveries::told(&mut *tx, &confirmation).await?.is_empty();
        let notice = Notice::OrderCancelled {
            order_id,
            total: total(event.total.as_ref())?,
            reason: event.reason,
            was_confirmed,
        };
        queue_notice(&self.app, tx, account_id, notice).await?;
        Ok(())
    }
}
