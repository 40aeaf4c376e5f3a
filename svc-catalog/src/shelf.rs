//! The stock of some products while a batch of orders takes from it and gives
//! back. It is written once, whatever the number of orders.

use std::collections::BTreeMap;

use crate::{
    product::ProductId,
    reservation::Lines,
    stock::{Short, Stock},
};

/// Stock that the caller holds.
#[derive(Debug, Clone)]
pub struct Shelf {
    before: Vec<Stock>,
    now: BTreeMap<ProductId, Stock>,
}

impl Shelf {
    /// As it was read.
    pub fn new(stocks: Vec<Stock>) -> Self {
        let now = stocks
            .iter()
            .map(|stock| (stock.product_id, *stock))
            .collect();
        Self {
            before: stocks,
            now,
        }
    }

    /// Promises all lines, or nothing.
    ///
    /// # Errors
    /// The products of which there is not enough.
    pub fn reserve(&mut self, lines: &Lines) -> Result<(), Vec<Short>> {
        let mut promised = Vec::new();
        let mut short = Vec::new();
        for (product_id, quantity) in lines.iter() {
            let outcome = match self.now.get(&product_id) {
                Some(stock) => stock.reserve(quantity),
                None => Err(Short::all(product_id)),
            };
            match outcome {
                Ok(stock) => promised.push(stock),
                Err(error) => short.push(error),
            }
        }
        if !short.is_empty() {
            return Err(short);
        }
        for stock in promised {
            self.now.insert(stock.product_id, stock);
        }
        Ok(())
    }

    /// Hands out what was promised.
    pub fn commit(&mut self, lines: &Lines) {
        self.change(lines, Stock::commit);
    }

    /// Takes a promise back.
    pub fn release(&mut self, lines: &Lines) {
        self.change(lines, Stock::release);
    }

    /// Puts back what was handed out.
    pub fn put_back(&mut self, lines: &Lines) {
        self.change(lines, Stock::put_back);
    }

    fn change(&mut self, lines: &Lines, change: impl Fn(Stock, i64) -> Stock) {
        for (product_id, quantity) in lines.iter() {
            if let Some(stock) = self.now.get_mut(&product_id) {
                *stock = change(*stock, quantity);
            }
        }
    }

    /// As it was, and as it is now.
    pub fn into_change(self) -> (Vec<Stock>, Vec<Stock>) {
        (self.before, self.now.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::clock::Clock;

    use super::*;

    fn stock(on_hand: i64) -> Stock {
        Stock {
            product_id: ProductId::generate(&Clock::system()),
            on_hand,
            reserved: 0,
        }
    }

    fn lines(of: &[(Stock, i64)]) -> Lines {
        Lines::new(
            of.iter()
                .map(|(stock, quantity)| (stock.product_id, *quantity)),
        )
        .unwrap()
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let tent = stock(3);
        let mut shelf = Shelf::new(vec![tent]);
        assert!(shelf.reserve(&lines(&[(tent, 2)])).is_ok());
        let short = shelf.reserve(&lines(&[(tent, 2)])).unwrap_err();
        assert_eq!(short[0].available, 1);
        assert!(shelf.reserve(&lines(&[(tent, 1)])).is_ok());
        let (before, after) = shelf.into_change();
        assert_eq!((before[0].reserved, after[0].reserved), (0, 3));
    }

    #[test]
    fn an_order_that_is_short_of_one_line_takes_none() {
        let (tent, stove) = (stock(3), stock(0));
        let mut shelf = Shelf::new(vec![tent, stove]);
        let short = shelf.reserve(&lines(&[(tent, 1), (stove, 1)])).unwrap_err();
        assert_eq!(short.len(), 1);
        let (before, after) = shelf.into_change();
        assert_eq!(before.iter().map(|stock| stock.reserved).sum::<i64>(), 0);
        assert_eq!(after.iter().map(|stock| stock.reserved).sum::<i64>(), 0);
    }
}
