//! Some of an order came back.

use proto::souk::event::v1::OrderReturned;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id::AccountId,
};

use super::{parse_id, total};
use crate::{app::App, notice::Notice, queue_notice::queue_notice};

/// Tells the customer, and what is refunded.
#[derive(Debug, Clone)]
pub struct OnOrderReturned {
    /// This service.
    pub app: App,
}

impl Consumer for OnOrderReturned {
    type Event = OrderReturned;
    const NAME: &'static str = "notify-order-returned";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let account_id = AccountId(parse_id("account_id", &event.account_id)?);
        let notice = Notice::OrderReturned {
            order_id: parse_id("order_id", &event.order_id)?,
            return_id: parse_id("return_id", &event.return_id)?,
            refund: match &event.refund {
                None => None,
                refund => Some(total(refund.as_ref())?),
            },
        };
        queue_notice(&self.app, tx, account_id, notice).await?;
        Ok(())
    }
}
