//! The cart: what a customer means to buy, and what that would cost now.

use std::time::Duration;

use svc_kit::money::Money;

use crate::product::{Item, Offer, Offers, ProductId};

/// The most different products in a cart.
pub const MAX_PRODUCTS: usize = 100;

/// How long a cart is kept after it was last looked at or changed.
pub const LIFE: Duration = Duration::from_hours(7 * 24);

svc_kit::id!(
    /// A cart, from when something is first put in until it is ordered or
    /// forgotten. It is ordered at most once: what is left in it then, and
    /// what is put in later, is another cart.
    pub struct CartId
);

/// Products and quantities, in the order in which they were put in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cart {
    /// One for each product.
    pub items: Vec<Item>,
    /// `None` while there is no cart.
    pub id: Option<CartId>,
    /// Grows with each change, also from one cart to the next; 0 while there
    /// never was one.
    pub version: i64,
}

impl Cart {
    /// The products in it.
    pub fn product_ids(&self) -> Vec<ProductId> {
        self.items.iter().map(|item| item.product_id).collect()
    }

    /// The cart with what the offers say. Products without an offer stay in
    /// it, marked; they count nothing.
    #[must_use]
    pub fn priced(self, offers: &Offers) -> PricedCart {
        let items: Vec<PricedItem> = self
            .items
            .into_iter()
            .map(|item| PricedItem {
                item,
                offer: offers.get(&item.product_id).cloned(),
            })
            .collect();
        let total = total(&items);
        PricedCart {
            items,
            version: self.version,
            total,
        }
    }
}

/// A cart with prices of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedCart {
    /// One for each product.
    pub items: Vec<PricedItem>,
    /// Grows with each change.
    pub version: i64,
    /// Over what can be bought; `None` when that is nothing, or has no one
    /// total: two currencies, or more than can be written down.
    pub total: Option<Money>,
}

/// So many of a product, and what it costs if it can be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedItem {
    /// Of what, how many.
    pub item: Item,
    /// `None` when the product is gone.
    pub offer: Option<Offer>,
}

fn total(items: &[PricedItem]) -> Option<Money> {
    let mut total: Option<Money> = None;
    for PricedItem { item, offer } in items {
        let Some(offer) = offer else { continue };
        let price = offer.price.times(item.quantity.into()).ok()?;
        total = Some(match total {
            None => price,
            Some(sum) => sum.checked_add(price).ok()?,
        });
    }
    total
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn item(n: u128, quantity: i32) -> Item {
        Item {
            product_id: ProductId(Uuid::from_u128(n)),
            quantity,
        }
    }

    fn offer(code: &str, minor: i64) -> Offer {
        Offer {
            title: "Tent".to_owned(),
            purchase_limit: 0,
            price: Money::new(code.parse().unwrap(), minor),
        }
    }

    fn priced(items: Vec<Item>, offers: &[(u128, Offer)]) -> PricedCart {
        let offers = offers
            .iter()
            .map(|(n, offer)| (ProductId(Uuid::from_u128(*n)), offer.clone()))
            .collect();
        let cart = Cart {
            items,
            id: None,
            version: 1,
        };
        cart.priced(&offers)
    }

    #[test]
    fn what_is_gone_is_marked_and_counts_nothing() {
        let cart = priced(vec![item(1, 2), item(2, 5)], &[(1, offer("EUR", 10_00))]);
        assert_eq!(cart.total, Some(offer("EUR", 20_00).price));
        assert_eq!(cart.items[1].offer, None);
    }

    #[test]
    fn a_cart_without_one_total_has_none() {
        assert_eq!(priced(vec![], &[]).total, None);
        let mixed = priced(
            vec![item(1, 1), item(2, 1)],
            &[(1, offer("EUR", 1)), (2, offer("USD", 1))],
        );
        assert_eq!(mixed.total, None);
        assert_eq!(
            priced(vec![item(1, 2)], &[(1, offer("EUR", i64::MAX))]).total,
            None
        );
    }
}
