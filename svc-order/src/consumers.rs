//! What this service hears: one event, one file. A handler locks the order,
//! asks the noun what becomes of it, writes that and announces it, all in the
//! transaction that it is given.

mod payment_captured;
mod payment_failed;
mod payment_refunded;
mod reservation_overdue;
mod stock_rejected;
mod stock_reserved;

use std::collections::HashMap;

use proto::souk::r#type::v1::Money as WireMoney;
use sqlx::PgConnection;
use svc_kit::{clock::Clock, consumer::ConsumeError, error::StoreError, money::Money, outbox};

use crate::{
    order::{Order, OrderId},
    store::orders,
};

pub use payment_captured::OnPaymentCaptured;
pub use payment_failed::OnPaymentFailed;
pub use payment_refunded::OnPaymentRefunded;
pub use reservation_overdue::OnReservationOverdue;
pub use stock_rejected::OnStockRejected;
pub use stock_reserved::OnStockReserved;

/// The order that an event is about, held.
async fn lock(tx: &mut PgConnection, order_id: &str) -> Result<Order, ConsumeError> {
    let id = order_id.parse().map_err(|_| unknown(order_id))?;
    orders::lock(tx, id).await?.ok_or_else(|| unknown(order_id))
}

/// The orders that a batch of events is about, held; and which of them changed.
struct Held {
    orders: HashMap<OrderId, Order>,
    changed: Vec<OrderId>,
}

impl Held {
    async fn lock(
        tx: &mut PgConnection,
        order_ids: impl Iterator<Item = &str>,
    ) -> Result<Self, ConsumeError> {
        let ids = order_ids
            .map(|order_id| order_id.parse().map_err(|_| unknown(order_id)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            orders: orders::lock_all(tx, &ids).await?,
            changed: Vec::new(),
        })
    }

    /// The order that an event is about.
    fn order(&mut self, order_id: &str) -> Result<&mut Order, ConsumeError> {
        order_id
            .parse()
            .ok()
            .and_then(|id| self.orders.get_mut(&id))
            .ok_or_else(|| unknown(order_id))
    }

    /// Notes that an order changed. Each change is a step of its history: a
    /// batch in which one takes two steps is left to be handled one by one.
    fn changed(&mut self, id: OrderId) -> Result<(), ConsumeError> {
        if self.changed.contains(&id) {
            return Err(ConsumeError::retry(format!("order {id} takes two steps")));
        }
        self.changed.push(id);
        Ok(())
    }

    /// Writes what changed.
    async fn save(&self, tx: &mut PgConnection) -> Result<(), ConsumeError> {
        let changed: Vec<&Order> = self
            .changed
            .iter()
            .filter_map(|id| self.orders.get(id))
            .collect();
        Ok(orders::save_all(tx, &changed).await?)
    }
}

/// An order was committed before anybody could hear of it: one that is unknown
/// will never be known.
fn unknown(order_id: &str) -> ConsumeError {
    ConsumeError::reject(format!("there is no order '{order_id}'"))
}

/// Writes and announces that an order was called off.
async fn called_off(tx: &mut PgConnection, order: &Order, clock: &Clock) -> Result<(), StoreError> {
    orders::save(tx, order).await?;
    outbox::put(tx, &order.cancelled(), clock).await?;
    Ok(())
}

fn id<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, ConsumeError> {
    text.parse()
        .map_err(|_| ConsumeError::reject(format!("{field} is no UUID")))
}

fn amount(wire: Option<&WireMoney>) -> Result<Money, ConsumeError> {
    let wire = wire.ok_or_else(|| ConsumeError::reject("there is no amount"))?;
    Money::try_from(wire).map_err(|error| ConsumeError::reject(error.to_string()))
}
