//! What an order has been promised: all of its lines or nothing.

use std::collections::BTreeMap;

use crate::product::ProductId;

svc_kit::id!(
    /// An order of svc-order.
    pub struct OrderId
);

/// The most lines of an order that are looked at.
pub const MAX_LINES: usize = 500;

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The lines are promised.
    Held,
    /// The lines have left the stock.
    Committed,
    /// The order was cancelled; nothing can follow.
    Released,
    /// Not reserved before it was confirmed.
    Expired,
    /// There was not enough.
    Rejected,
}

impl Status {
    /// As it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }

    /// From where it is kept.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Held,
            Self::Committed,
            Self::Released,
            Self::Expired,
            Self::Rejected,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
}

/// How much of which products, each once, in the order of their ids: the order
/// in which their rows are locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(BTreeMap<ProductId, i64>);

/// Lines that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// No lines, or more than an order may have.
    #[error("an order has 1 to {MAX_LINES} lines")]
    Count,
    /// Zero, negative, or beyond all measure.
    #[error("a line needs a positive quantity")]
    Quantity,
}

impl Lines {
    /// Adds up the lines of each product.
    ///
    /// # Errors
    /// [`LinesError`].
    pub fn new(lines: impl IntoIterator<Item = (ProductId, i64)>) -> Result<Self, LinesError> {
        let mut sums = BTreeMap::<ProductId, i64>::new();
        for (product_id, quantity) in lines {
            if quantity <= 0 {
                return Err(LinesError::Quantity);
            }
            let sum = sums.entry(product_id).or_default();
            *sum = sum.checked_add(quantity).ok_or(LinesError::Quantity)?;
        }
        if sums.is_empty() || sums.len() > MAX_LINES {
            return Err(LinesError::Count);
        }
        Ok(Self(sums))
    }

    /// From where they are kept; may be none.
    pub fn kept(lines: impl IntoIterator<Item = (ProductId, i64)>) -> Self {
        Self(lines.into_iter().collect())
    }

    /// Product and quantity of each, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (ProductId, i64)> {
        self.0.iter().map(|(id, quantity)| (*id, *quantity))
    }

    /// The products, in order.
    pub fn product_ids(&self) -> Vec<ProductId> {
        self.0.keys().copied().collect()
    }

    /// How much of a product.
    pub fn quantity(&self, product_id: ProductId) -> i64 {
        self.0.get(&product_id).copied().unwrap_or_default()
    }
}

/// What an order wants of the stock, or was sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which order.
    pub order_id: OrderId,
    /// How much of what.
    pub lines: Lines,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// What became of it.
    pub status: Status,
    /// What of.
    pub lines: Lines,
}

#[cfg(test)]
mod tests {
    use svc_kit::clock::Clock;

    use super::*;

    #[test]
    fn lines_of_one_product_add_up() {
        let tent = ProductId::generate(&Clock::system());
        let lines = Lines::new([(tent, 1), (tent, 2)]).unwrap();
        assert_eq!(lines.iter().collect::<Vec<_>>(), [(tent, 3)]);
    }

    #[test]
    fn lines_that_make_no_sense_are_refused() {
        let tent = ProductId::generate(&Clock::system());
        assert_eq!(Lines::new([]), Err(LinesError::Count));
        assert_eq!(Lines::new([(tent, 0)]), Err(LinesError::Quantity));
        assert_eq!(
            Lines::new([(tent, i64::MAX), (tent, 1)]),
            Err(LinesError::Quantity)
        );
    }
}
