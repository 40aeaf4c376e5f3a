//! svc-order has the stock reserved and wants the money.

use proto::souk::event::v1::PaymentRequested;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer, Heard},
    id,
    money::Money,
};

use super::unusable;
use crate::{
    app::App,
    payment::PaymentToken,
    request_payment::{RequestPayment, request_payments},
};

/// Takes note; nothing is charged before the commit.
#[derive(Debug, Clone)]
pub struct OnPaymentRequested {
    /// This service.
    pub app: App,
}

impl Consumer for OnPaymentRequested {
    type Event = PaymentRequested;
    const NAME: &'static str = "payment-payment-requested";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        self.handle_all(tx, vec![Heard::here(event)]).await
    }

    async fn handle_all(
        &self,
        tx: &mut PgConnection,
        events: Vec<Heard<Self::Event>>,
    ) -> Result<(), ConsumeError> {
        let asked = events
            .into_iter()
            .map(|heard| heard.read(command))
            .collect::<Result<Vec<_>, _>>()?;
        request_payments(&self.app, tx, asked).await?;
        Ok(())
    }
}

fn command(event: PaymentRequested) -> Result<RequestPayment, ConsumeError> {
    let amount = event.amount.ok_or_else(|| unusable("amount", "missing"))?;
    let amount = Money::try_from(&amount).map_err(|why| unusable("amount", why))?;
    if amount.minor <= 0 {
        return Err(unusable("amount", "must be more than nothing"));
    }
    Ok(RequestPayment {
        order_id: id::parse("order_id", &event.order_id).map_err(|why| unusable("event", why))?,
        payment_id: id::parse("payment_id", &event.payment_id)
            .map_err(|why| unusable("event", why))?,
        account_id: id::parse("account_id", &event.account_id)
            .map_err(|why| unusable("event", why))?,
        amount,
        token: PaymentToken::new(event.payment_token),
    })
}
