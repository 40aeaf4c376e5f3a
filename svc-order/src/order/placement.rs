//! How an order comes to be: from items, and from what they cost now.

use chrono::{DateTime, Utc};
use svc_kit::{error::Invalid, id::AccountId, money::Money};

use super::{Line, Order, OrderId, PaymentToken, RequestKey, Status};
use crate::{
    address::Address,
    cart::CartId,
    checkout::CheckoutRules,
    product::{Item, MAX_QUANTITY, Offers, ProductId},
};

/// The most lines of one order.
pub const MAX_LINES: usize = 100;

/// The most items of one request, before those of one product are merged.
pub const MAX_ITEMS: usize = 1000;

/// Why an order cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing to order.
    #[error("there is nothing in the cart")]
    CartEmpty,
    /// Products that the catalog does not have.
    #[error("a product is not in the catalog")]
    ProductUnknown(Vec<ProductId>),
    /// The customer expected another total.
    #[error("the total is now {0}")]
    PriceChanged(Money),
    /// An order is paid in one currency.
    #[error("the products are sold in different currencies")]
    CurrencyMixed,
    /// There is nothing to pay.
    #[error("the total must be more than zero")]
    TotalNotPositive,
    /// More money than can be written down.
    #[error("the total is too large")]
    TotalTooLarge,
}

/// What a customer asks for, apart from the items.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The new order's name.
    pub id: OrderId,
    /// Who buys.
    pub account_id: AccountId,
    /// The request.
    pub request: RequestKey,
    /// The cart whose items these are.
    pub cart: Option<CartId>,
    /// Where it goes.
    pub shipping_address: Address,
    /// With what it is paid.
    pub payment_token: PaymentToken,
    /// What the customer believes it costs.
    pub expected_total: Option<Money>,
}

/// Adds up items of one product and checks how many there are.
///
/// # Errors
/// [`Invalid`] for a quantity out of bounds or too many products.
pub fn merged(items: &[Item]) -> Result<Vec<Item>, Invalid> {
    let mut merged: Vec<Item> = Vec::new();
    if items.len() > MAX_ITEMS {
        return Err(Invalid::new(
            "items",
            format!("must not be more than {MAX_ITEMS}"),
        ));
    }
    for item in items {
        if !(1..=MAX_QUANTITY).contains(&item.quantity) {
            return Err(Invalid::new(
                "items.quantity",
                format!("must be 1 to {MAX_QUANTITY}"),
            ));
        }
        match merged
            .iter_mut()
            .find(|known| known.product_id == item.product_id)
        {
            None => merged.push(*item),
            // Both are at most MAX_QUANTITY, so the sum fits.
            Some(known) => known.quantity += item.quantity,
        }
        if merged.iter().any(|item| item.quantity > MAX_QUANTITY) {
            return Err(Invalid::new(
                "items.quantity",
                format!("must be at most {MAX_QUANTITY} of one product"),
            ));
        }
        if merged.len() > MAX_LINES {
            return Err(Invalid::new(
                "items",
                format!("must not be more than {MAX_LINES} different products"),
            ));
        }
    }
    Ok(merged)
}

impl Order {
    /// A new order for items that were merged, at the prices of the offers.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub fn place(
        placement: Placement,
        items: &[Item],
        offers: &Offers,
        rules: &CheckoutRules,
        now: DateTime<Utc>,
    ) -> Result<Self, Refused> {
        let lines = lines(items, offers)?;
        let total = total(&lines)?;
        if placement
            .expected_total
            .is_some_and(|expected| expected != total)
        {
            return Err(Refused::PriceChanged(total));
        }
        Ok(Self {
            id: placement.id,
            account_id: placement.account_id,
            request: placement.request,
            cart: placement.cart,
            lines,
            total,
            shipping_address: placement.shipping_address,
            created_at: now,
            status: Status::Pending,
            payment_token: Some(placement.payment_token),
            payment_id: None,
            paid: false,
            refunded: false,
            refunded_total: Money::zero(total.currency),
            owed: Money::zero(total.currency),
            cancel_reason: None,
            shipment: None,
            announcements: 0,
            next_check_at: rules.next_check(now, now, 0),
            version: 1,
            updated_at: now,
        })
    }

    /// The order as it was when it was placed: what the first answer said,
    /// whatever has become of it since.
    #[must_use]
    pub fn as_placed(mut self) -> Self {
        self.status = Status::Pending;
        self.payment_id = None;
        self.paid = false;
        self.refunded = false;
        self.refunded_total.minor = 0;
        self.owed.minor = 0;
        for line in &mut self.lines {
            line.returned = 0;
        }
        self.cancel_reason = None;
        self.shipment = None;
        self.announcements = 0;
        self.version = 1;
        self.updated_at = self.created_at;
        self
    }
}

fn lines(items: &[Item], offers: &Offers) -> Result<Vec<Line>, Refused> {
    if items.is_empty() {
        return Err(Refused::CartEmpty);
    }
    let mut unknown = Vec::new();
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        match offers.get(&item.product_id) {
            None => unknown.push(item.product_id),
            Some(offer) => lines.push(Line {
                product_id: item.product_id,
                title: offer.title.clone(),
                quantity: item.quantity,
                unit_price: offer.price,
                returned: 0,
            }),
        }
    }
    if unknown.is_empty() {
        Ok(lines)
    } else {
        Err(Refused::ProductUnknown(unknown))
    }
}

fn total(lines: &[Line]) -> Result<Money, Refused> {
    let currency = lines.first().ok_or(Refused::CartEmpty)?.unit_price.currency;
    if lines
        .iter()
        .any(|line| line.unit_price.currency != currency)
    {
        return Err(Refused::CurrencyMixed);
    }
    let total = lines.iter().try_fold(Money::zero(currency), |sum, line| {
        sum.checked_add(line.unit_price.times(line.quantity.into())?)
    });
    match total {
        Ok(total) if total.minor > 0 => Ok(total),
        Ok(_) => Err(Refused::TotalNotPositive),
        Err(_) => Err(Refused::TotalTooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::properties::{eur, offer, placement, product};

    fn placed(
        items: &[(u8, i32)],
        prices: &[(u8, Money)],
        expected: Option<Money>,
    ) -> Result<Order, Refused> {
        let items: Vec<Item> = items
            .iter()
            .map(|&(n, quantity)| Item {
                product_id: product(n),
                quantity,
            })
            .collect();
        let offers = prices
            .iter()
            .map(|&(n, price)| (product(n), offer(price)))
            .collect();
        let placement = Placement {
            expected_total: expected,
            ..placement()
        };
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Order::place(placement, &items, &offers, &CheckoutRules::default(), now)
    }

    #[test]
    fn the_total_is_the_sum_over_the_lines() {
        let order = placed(&[(1, 2), (2, 3)], &[(1, eur(10_00)), (2, eur(1_50))], None).unwrap();
        assert_eq!(order.total, eur(24_50));
        assert_eq!(order.status, Status::Pending);
        assert_eq!(order.lines.len(), 2);
    }

    #[test]
    fn another_total_than_expected_is_refused_with_the_new_one() {
        let refused = placed(&[(1, 2)], &[(1, eur(10_00))], Some(eur(19_00))).unwrap_err();
        assert_eq!(refused, Refused::PriceChanged(eur(20_00)));
        assert!(placed(&[(1, 2)], &[(1, eur(10_00))], Some(eur(20_00))).is_ok());
    }

    #[test]
    fn what_cannot_be_bought_is_refused() {
        let usd = Money::new("USD".parse().unwrap(), 1);
        assert_eq!(placed(&[], &[], None), Err(Refused::CartEmpty));
        assert_eq!(
            placed(&[(1, 1)], &[], None),
            Err(Refused::ProductUnknown(vec![product(1)]))
        );
        assert_eq!(
            placed(&[(1, 1), (2, 1)], &[(1, eur(1)), (2, usd)], None),
            Err(Refused::CurrencyMixed)
        );
        assert_eq!(
            placed(&[(1, 1)], &[(1, eur(0))], None),
            Err(Refused::TotalNotPositive)
        );
        assert_eq!(
            placed(&[(1, 2)], &[(1, eur(i64::MAX))], None),
            Err(Refused::TotalTooLarge)
        );
    }

    #[test]
    fn items_of_one_product_become_one_line() {
        let item = |n, quantity| Item {
            product_id: product(n),
            quantity,
        };
        assert_eq!(
            merged(&[item(1, 2), item(2, 1), item(1, 3)]).unwrap(),
            [item(1, 5), item(2, 1)]
        );
        assert_eq!(
            merged(&[item(1, 999), item(1, 1)]).unwrap_err().field,
            "items.quantity"
        );
        assert_eq!(merged(&[item(1, 0)]).unwrap_err().field, "items.quantity");
        assert_eq!(
            merged(&[item(1, 1000)]).unwrap_err().field,
            "items.quantity"
        );
        let many: Vec<Item> = (0..=100).map(|n| item(n, 1)).collect();
        assert_eq!(merged(&many).unwrap_err().field, "items");
    }
}
