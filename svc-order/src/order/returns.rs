//! What of an order comes back, and what the customer gets for it.

use chrono::{DateTime, Utc};
use svc_kit::money::Money;

use super::{Order, OrderId, RequestKey, Status};
use crate::product::ProductId;

svc_kit::id!(
    /// Some of an order that came back.
    pub struct ReturnId
);

/// The most lines of one return.
pub const MAX_RETURN_LINES: usize = 200;

/// So many of a product came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnedItem {
    /// Of what.
    pub product_id: ProductId,
    /// How many; more than none.
    pub quantity: i32,
    /// They go on sale again.
    pub restock: bool,
}

/// Some of an order that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// Its name.
    pub id: ReturnId,
    /// Of which order.
    pub order_id: OrderId,
    /// The request that recorded it.
    pub request: RequestKey,
    /// What came back.
    pub items: Vec<ReturnedItem>,
    /// What the customer gets for it; may be nothing.
    pub refund: Money,
    /// Why, in the words of staff.
    pub reason: String,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// Why something cannot come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReturnable {
    /// It never left.
    #[error("the order is {0}, not shipped")]
    NotShipped(Status),
    /// More than was bought, less what came back before.
    #[error("only {left} of product {product_id} can come back")]
    TooMany {
        /// Of what.
        product_id: ProductId,
        /// How many can.
        left: i32,
    },
    /// More than was paid, less what went back or is promised.
    #[error("only {0} can go back")]
    TooMuch(Money),
    /// An order has one currency.
    #[error("the refund is in another currency than the order")]
    OtherCurrency,
}

impl Order {
    /// What can still be given back to the customer.
    pub fn left_to_refund(&self) -> Money {
        let left = self.total.minor - self.refunded_total.minor - self.owed.minor;
        Money::new(self.total.currency, left.max(0))
    }

    /// Takes items back and promises the refund. Without one that is said, it
    /// is what the items cost, but no more than can still be given back.
    ///
    /// # Errors
    /// [`NotReturnable`]; the order is unchanged then.
    pub fn take_back(
        &mut self,
        items: &[ReturnedItem],
        refund: Option<Money>,
        now: DateTime<Utc>,
    ) -> Result<Money, NotReturnable> {
        if !matches!(self.status, Status::Shipped | Status::Delivered) {
            return Err(NotReturnable::NotShipped(self.status));
        }
        let left = self.left_to_refund();
        let mut lines = self.lines.clone();
        let mut cost = Money::zero(self.total.currency);
        for item in items {
            let line = lines
                .iter_mut()
                .find(|line| line.product_id == item.product_id);
            let returnable = line
                .as_ref()
                .map_or(0, |line| line.quantity - line.returned);
            let Some(line) = line.filter(|_| item.quantity <= returnable) else {
                return Err(NotReturnable::TooMany {
                    product_id: item.product_id,
                    left: returnable,
                });
            };
            line.returned += item.quantity;
            cost = line
                .unit_price
                .times(item.quantity.into())
                .and_then(|price| cost.checked_add(price))
                .map_err(|_| NotReturnable::TooMuch(left))?;
        }
        let refund = match refund {
            None => Money::new(left.currency, cost.minor.min(left.minor)),
            Some(refund) if refund.currency != left.currency => {
                return Err(NotReturnable::OtherCurrency);
            }
            Some(refund) if refund.minor > left.minor || refund.is_negative() => {
                return Err(NotReturnable::TooMuch(left));
            }
            Some(refund) => refund,
        };
        self.lines = lines;
        self.owed.minor += refund.minor;
        self.touch(now);
        Ok(refund)
    }
}
