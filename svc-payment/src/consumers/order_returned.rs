//! Some of a shipped order came back.

use proto::souk::event::v1::OrderReturned;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id,
    money::Money,
};

use super::unusable;
use crate::{
    app::App,
    refund_return::{RefundReturn, refund_return},
};

/// Queues what goes back for the return; nothing is given back before the
/// commit.
#[derive(Debug, Clone)]
pub struct OnOrderReturned {
    /// This service.
    pub app: App,
}

impl Consumer for OnOrderReturned {
    type Event = OrderReturned;
    const NAME: &'static str = "payment-order-returned";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        if let Some(command) = command(&event)? {
            refund_return(&self.app, tx, command).await?;
        }
        Ok(())
    }
}

/// None when no money goes with the return.
fn command(event: &OrderReturned) -> Result<Option<RefundReturn>, ConsumeError> {
    let Some(refund) = &event.refund else {
        return Ok(None);
    };
    let amount = Money::try_from(refund).map_err(|why| unusable("refund", why))?;
    if amount.is_negative() {
        return Err(unusable("refund", "must not be negative"));
    }
    if amount.minor == 0 {
        return Ok(None);
    }
    Ok(Some(RefundReturn {
        order_id: id::parse("order_id", &event.order_id).map_err(|why| unusable("event", why))?,
        return_id: id::parse("return_id", &event.return_id)
            .map_err(|why| unusable("event", why))?,
        amount,
    }))
}
