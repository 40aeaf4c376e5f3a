//! An order was called off: nothing is charged for it, and what was charged
//! goes back.

use proto::souk::event::v1::OrderCancelled;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id,
};

use super::unusable;
use crate::{app::App, cancel_payment::cancel_payment};

/// Undoes the order's payment.
#[derive(Debug, Clone)]
pub struct OnOrderCancelled {
    /// This service.
    pub app: App,
}

impl Consumer for OnOrderCancelled {
    type Event = OrderCancelled;
    const NAME: &'static str = "payment-order-cancelled";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let order_id =
            id::parse("order_id", &event.order_id).map_err(|why| unusable("event", why))?;
        cancel_payment(&self.app, tx, order_id).await?;
        Ok(())
    }
}
