//! What is announced of an order.

use proto::souk::event::v1 as event;

use super::{CancelReason, Order, returns::Return};

impl Order {
    /// It was placed: reserve the stock.
    pub fn placed(&self) -> event::OrderPlaced {
        event::OrderPlaced {
            order_id: self.id.to_string(),
            account_id: self.account_id.to_string(),
            lines: self.ordered_lines(),
            total: Some(self.total.into()),
        }
    }

    /// It is reserved: charge the customer. `None` unless it waits for money.
    pub fn payment_requested(&self) -> Option<event::PaymentRequested> {
        Some(event::PaymentRequested {
            order_id: self.id.to_string(),
            payment_id: self.payment_id?.to_string(),
            account_id: self.account_id.to_string(),
            amount: Some(self.total.into()),
            payment_token: self.payment_token.as_ref()?.expose().to_owned(),
        })
    }

    /// It is reserved and paid.
    pub fn confirmed(&self) -> event::OrderConfirmed {
        event::OrderConfirmed {
            order_id: self.id.to_string(),
            account_id: self.account_id.to_string(),
            lines: self.ordered_lines(),
            total: Some(self.total.into()),
        }
    }

    /// It was called off: release the stock, give the money back.
    pub fn cancelled(&self) -> event::OrderCancelled {
        event::OrderCancelled {
            order_id: self.id.to_string(),
            account_id: self.account_id.to_string(),
            lines: self.ordered_lines(),
            total: Some(self.total.into()),
            reason: self
                .cancel_reason
                .as_ref()
                .map(CancelReason::as_str)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// A carrier has it.
    pub fn handed_over(&self) -> event::OrderShipped {
        let shipment = self.shipment.clone();
        event::OrderShipped {
            order_id: self.id.to_string(),
            account_id: self.account_id.to_string(),
            carrier: shipment
                .as_ref()
                .map(|shipment| shipment.carrier.clone())
                .unwrap_or_default(),
            tracking_code: shipment
                .map(|shipment| shipment.tracking_code)
                .unwrap_or_default(),
        }
    }

    /// Some of it came back.
    pub fn came_back(&self, returned: &Return) -> event::OrderReturned {
        let mut restocked: Vec<event::OrderedLine> = Vec::new();
        for item in returned.items.iter().filter(|item| item.restock) {
            let product_id = item.product_id.to_string();
            match restocked
                .iter_mut()
                .find(|line| line.product_id == product_id)
            {
                Some(line) => line.quantity += item.quantity,
                None => restocked.push(event::OrderedLine {
                    product_id,
                    quantity: item.quantity,
                }),
            }
        }
        event::OrderReturned {
            order_id: self.id.to_string(),
            return_id: returned.id.to_string(),
            account_id: self.account_id.to_string(),
            restocked,
            refund: (returned.refund.minor > 0).then(|| returned.refund.into()),
        }
    }

    fn ordered_lines(&self) -> Vec<event::OrderedLine> {
        self.lines
            .iter()
            .map(|line| event::OrderedLine {
                product_id: line.product_id.to_string(),
                quantity: line.quantity,
            })
            .collect()
    }
}
