//! The stock is reserved for too long: svc-catalog asks what became of the
//! order. It is told again; an order whose checkout still has not come to an
//! end is called off, so that others can have the stock.

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer},
    outbox,
};

use super::{called_off, lock};
use crate::{
    app::App,
    order::{CancelReason, lifecycle::CalledOff},
};

/// Hears `souk.stock.overdue.v1`.
pub struct OnReservationOverdue {
    clock: Clock,
}

impl OnReservationOverdue {
    /// With the app's clock.
    pub fn new(app: &App) -> Self {
        Self {
            clock: app.clock.clone(),
        }
    }
}

impl Consumer for OnReservationOverdue {
    type Event = event::ReservationOverdue;
    const NAME: &'static str = "order-reservation-overdue";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let mut order = lock(tx, &event.order_id).await?;
        match order.rejected(CancelReason::reservation_expired(), self.clock.now()) {
            CalledOff::Cancelled => {
                called_off(tx, &order, &self.clock).await?;
                tracing::info!(order_id = %order.id, "cancelled: reserved for too long");
            }
            // It is known here, and on its way there: said again, it hurts
            // nobody.
            CalledOff::Already => {
                outbox::put(tx, &order.cancelled(), &self.clock).await?;
            }
            CalledOff::Impossible => {
                outbox::put(tx, &order.confirmed(), &self.clock).await?;
            }
        }
        Ok(())
    }
}
