//! What there is of a product. Nothing here goes below zero.

use crate::product::ProductId;

/// The most of one product that can be on hand.
pub const MAX_ON_HAND: i64 = 1_000_000_000;

/// What there is, and what of it is promised to orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Of which product.
    pub product_id: ProductId,
    /// In the warehouse.
    pub on_hand: i64,
    /// Promised; never more than on hand.
    pub reserved: i64,
}

/// There is not enough of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only {available} of product {product_id} are available")]
pub struct Short {
    /// Of which.
    pub product_id: ProductId,
    /// How much could be had.
    pub available: i64,
}

impl Short {
    /// There is nothing at all.
    pub fn all(product_id: ProductId) -> Self {
        Self {
            product_id,
            available: 0,
        }
    }
}

impl Stock {
    /// What can still be promised.
    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }

    /// Whether anything can be promised.
    pub fn in_stock(&self) -> bool {
        self.available() > 0
    }

    /// Adds to or takes from what is on hand.
    ///
    /// # Errors
    /// [`Short`] when what is promised would not be there any more.
    pub fn adjusted(self, delta: i64) -> Result<Self, Short> {
        let on_hand = self.on_hand.saturating_add(delta);
        if on_hand < self.reserved {
            return Err(self.short());
        }
        Ok(Self {
            on_hand: on_hand.min(MAX_ON_HAND),
            ..self
        })
    }

    /// Promises some.
    ///
    /// # Errors
    /// [`Short`] when there is less.
    pub fn reserve(self, quantity: i64) -> Result<Self, Short> {
        if self.available() < quantity {
            return Err(self.short());
        }
        Ok(Self {
            reserved: self.reserved + quantity,
            ..self
        })
    }

    /// Takes a promise back.
    #[must_use]
    pub fn release(self, quantity: i64) -> Self {
        Self {
            reserved: (self.reserved - quantity).max(0),
            ..self
        }
    }

    /// Hands out what was promised.
    #[must_use]
    pub fn commit(self, quantity: i64) -> Self {
        Self {
            on_hand: (self.on_hand - quantity).max(0),
            ..self.release(quantity)
        }
    }

    /// Puts back what was handed out.
    #[must_use]
    pub fn put_back(self, quantity: i64) -> Self {
        Self {
            on_hand: self.on_hand.saturating_add(quantity).min(MAX_ON_HAND),
            ..self
        }
    }

    fn short(self) -> Short {
        Short {
            product_id: self.product_id,
            available: self.available(),
        }
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::clock::Clock;

    use super::*;

    fn stock(on_hand: i64, reserved: i64) -> Stock {
        Stock {
            product_id: ProductId::generate(&Clock::system()),
            on_hand,
            reserved,
        }
    }

    #[test]
    fn nothing_is_promised_twice() {
        let one = stock(1, 0).reserve(1).unwrap();
        assert!(!one.in_stock());
        assert_eq!(one.reserve(1).unwrap_err().available, 0);
    }

    #[test]
    fn what_is_promised_cannot_be_taken_away() {
        assert!(stock(5, 3).adjusted(-3).is_err());
        assert_eq!(stock(5, 3).adjusted(-2).unwrap().available(), 0);
        assert!(stock(5, 3).adjusted(i64::MIN).is_err());
        assert_eq!(stock(5, 3).adjusted(i64::MAX).unwrap().on_hand, MAX_ON_HAND);
    }

    #[test]
    fn a_promise_that_is_kept_changes_nothing_for_others() {
        let before = stock(5, 3);
        let after = before.commit(3);
        assert_eq!((after.on_hand, after.reserved), (2, 0));
        assert_eq!(after.available(), before.available());
        assert_eq!(after.put_back(3).available(), 5);
        assert_eq!(before.release(3).available(), 5);
    }
}
