//! What this service hears: one event, one file. A handler locks the order,
//! asks the noun what becomes of it, writes that and announces it, all in the
//! transaction that it is given.

mod payment_captured;
mod payment_failed;
mod payment_refunded;
mod reservation_overdue;
mod stock_rejected;
mod stock_reserved;

use proto::souk::r#type::v1::Money as WireMoney;
use sqlx::PgConnection;
use svc_kit::{clock::Clock, consumer::ConsumeError, error::StoreError, money::Money, outbox};

use crate::{order::Order, store::orders};

pub use payment_captured::OnPaymentCaptured;
pub use payment_failed::OnPaymentFailed;
pub use payment_refunded::OnPaymentRefunded;
pub use reservation_overdue::OnReservationOverdue;
pub use stock_rejected::OnStockRejected;
pub use stock_reserved::OnStockReserved;

/// The order that an event is about, held. It was committed before anybody
/// could hear of it: one that is unknown will never be known.
async fn lock(tx: &mut PgConnection, order_id: &str) -> Result<Order, ConsumeError> {
    let unknown = || ConsumeError::reject(format!("there is no order '{order_id}'"));
    let id = order_id.parse().map_err(|_| unknown())?;
    orders::lock(tx, id).await?.ok_or_else(unknown)
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
