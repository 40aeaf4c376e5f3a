//! An order is reserved and paid.

use proto::souk::event::v1::OrderConfirmed;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer, Heard},
    id::AccountId,
};

use super::{parse_id, total};
use crate::{
    app::App,
    delivery::Template,
    notice::{Notice, event_key},
    queue_notice::{Told, queue_notices},
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
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<Self::Event>>,
    ) -> Result<(), ConsumeError> {
        let mut told = events
            .into_iter()
            .map(|heard| heard.read(|event| confirmation(&event)))
            .collect::<Result<Vec<_>, _>>()?;
        // Word of the cancellation was faster; nobody wants to hear both the
        // wrong way round.
        let cancellations: Vec<String> = told.iter().filter_map(cancellation).collect();
        let called_off = deliveries::told(&mut *tx, &cancellations).await?;
        told.retain(|heard| cancellation(heard).is_none_or(|key| !called_off.contains(&key)));
        Ok(queue_notices(&self.app, tx, told).await?)
    }
}

fn confirmation(event: &OrderConfirmed) -> Result<Told, ConsumeError> {
    Ok(Told {
        account_id: AccountId(parse_id("account_id", &event.account_id)?),
        notice: Notice::OrderConfirmed {
            order_id: parse_id("order_id", &event.order_id)?,
            items: event
                .lines
                .iter()
                .map(|line| i64::from(line.quantity))
                .sum(),
            total: total(event.total.as_ref())?,
        },
    })
}

/// The key of the word that the same order was called off.
fn cancellation(heard: &Heard<Told>) -> Option<String> {
    let order_id = heard.event.notice.order_id()?;
    Some(event_key(Template::OrderCancelled, order_id))
}
