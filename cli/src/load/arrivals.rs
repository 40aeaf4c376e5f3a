//! Who comes when and for what. All of it is drawn from the seed before the
//! clock starts: the shop's answers change nothing about it (an open loop), so
//! that a slow shop is met by as many as a quick one.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Options;
use super::record::Product;

/// What somebody looks at before an order: so many steps at most.
const MAX_BROWSING: usize = 3;
/// Between two steps of a person.
const STEP_EVERY: Duration = Duration::from_millis(300);
/// Lines of an order, at most.
const MAX_LINES: usize = 3;
/// Pieces of a line, at most.
const MAX_PIECES: i32 = 3;
/// How long a customer who changes their mind takes for it, at most.
const MAX_REGRET: Duration = Duration::from_millis(1500);

/// Orders of what is in the cart.
const OF_CART: f64 = 0.3;
/// Orders whose payment is declined.
const DECLINED: f64 = 0.03;
/// Orders whose payment gets no answer.
const TIMED_OUT: f64 = 0.02;
/// Orders that the customer calls off.
const CANCELLED: f64 = 0.04;
/// Orders that are asked for again though they were answered.
const REPEATED: f64 = 0.05;
/// Orders that staff ship while the load runs; the others stay confirmed.
const SHIPPED: f64 = 0.15;
/// Shipped orders of which something comes back.
const COME_BACK: f64 = 0.6;
/// Returns of a whole order; of the others one piece of each line comes back.
const WHOLE: f64 = 0.4;
/// Returns that go on sale again.
const RESTOCKED: f64 = 0.7;
/// Returns that are asked for again though they were answered.
const RETURN_REPEATED: f64 = 0.25;
/// Orders of the hot product, where there is one.
const HOT: f64 = 0.2;

/// Somebody comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// When, from the start.
    pub at: Duration,
    /// For what.
    pub action: Action,
}

/// What they do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// They look at the newest products.
    List,
    /// They look for a product by its title.
    Search(usize),
    /// They look at a product.
    Get(usize),
    /// They order.
    Order(Wish),
}

/// An order that somebody will ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Which customer.
    pub customer: usize,
    /// Which products, and how many pieces of each.
    pub lines: Vec<(usize, i32)>,
    /// By way of the cart.
    pub of_cart: bool,
    /// The provider's token.
    pub payment_token: &'static str,
    /// Called off so long after the answer.
    pub cancelled_after: Option<Duration>,
    /// Asked for again after the answer.
    pub repeated: bool,
    /// Shipped as soon as it is confirmed.
    pub shipped: bool,
    /// What comes back of it when it is shipped.
    pub comeback: Option<Comeback>,
}

/// What comes back of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comeback {
    /// All of it; otherwise one piece of each line.
    pub whole: bool,
    /// It goes on sale again.
    pub restocked: bool,
    /// The return is asked for again after its answer.
    pub repeated: bool,
}

/// All arrivals of a run, in the order of time. Orders are a Poisson process;
/// each is preceded by some browsing.
pub fn schedule(options: &Options, products: &[Product]) -> Vec<Arrival> {
    let mut draw = StdRng::seed_from_u64(options.seed);
    let length = Duration::from_secs(u64::from(options.seconds));
    let per_second = f64::from(options.orders_per_minute) / 60.0;
    let mut all = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        // The gaps of a Poisson process are exponential.
        let gap = -draw.random_range(f64::MIN_POSITIVE..1.0).ln() / per_second;
        at += Duration::from_secs_f64(gap);
        if at >= length {
            break;
        }
        let wish = wish(&mut draw, options, products);
        browse(&mut draw, at, &wish, &mut all);
        all.push(Arrival {
            at,
            action: Action::Order(wish),
        });
    }
    all.sort_by_key(|arrival| arrival.at);
    all
}

fn browse(draw: &mut StdRng, order_at: Duration, wish: &Wish, all: &mut Vec<Arrival>) {
    let product = wish.lines.first().map_or(0, |(product, _)| *product);
    for back in 1..=draw.random_range(0..=MAX_BROWSING) {
        let action = match draw.random_range(0..4) {
            0 => Action::List,
            1 => Action::Search(product),
            _ => Action::Get(product),
        };
        let before = STEP_EVERY * u32::try_from(back + 1).unwrap_or(1);
        all.push(Arrival {
            at: order_at.saturating_sub(before),
            action,
        });
    }
}

fn wish(draw: &mut StdRng, options: &Options, products: &[Product]) -> Wish {
    let hot = products.iter().position(|product| product.hot);
    let lines = match hot.filter(|_| draw.random_bool(HOT)) {
        Some(hot) => vec![(hot, 1)],
        None => ordinary(draw, products),
    };
    let payment_token = match draw.random_range(0.0..1.0) {
        share if share < DECLINED => "tok_declined",
        share if share < DECLINED + TIMED_OUT => "tok_timeout",
        _ => "tok_ok",
    };
    let shipped = draw.random_bool(SHIPPED);
    Wish {
        customer: draw.random_range(0..options.customers.max(1)),
        lines,
        of_cart: draw.random_bool(OF_CART),
        payment_token,
        cancelled_after: draw
            .random_bool(CANCELLED)
            .then(|| MAX_REGRET.mul_f64(draw.random_range(0.0..1.0))),
        repeated: draw.random_bool(REPEATED),
        shipped,
        comeback: (shipped && draw.random_bool(COME_BACK)).then(|| comeback(draw)),
    }
}

fn comeback(draw: &mut StdRng) -> Comeback {
    Comeback {
        whole: draw.random_bool(WHOLE),
        restocked: draw.random_bool(RESTOCKED),
        repeated: draw.random_bool(RETURN_REPEATED),
    }
}

fn ordinary(draw: &mut StdRng, products: &[Product]) -> Vec<(usize, i32)> {
    let mut lines: Vec<(usize, i32)> = Vec::new();
    for _ in 0..draw.random_range(1..=MAX_LINES) {
        let product = draw.random_range(0..products.len().max(1));
        let taken = lines.iter().any(|(other, _)| *other == product);
        if !taken && products.get(product).is_some_and(|product| !product.hot) {
            lines.push((product, draw.random_range(1..=MAX_PIECES)));
        }
    }
    if lines.is_empty() {
        let first = products.iter().position(|product| !product.hot);
        lines.push((first.unwrap_or(0), 1));
    }
    lines
}

/// When the cart is filled that is ordered at that time.
pub(super) fn cart_at(order_at: Duration) -> Duration {
    order_at.saturating_sub(STEP_EVERY)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn products(count: u128, hot: bool) -> Vec<Product> {
        (0..count)
            .map(|n| Product {
                id: Uuid::from_u128(n),
                title: n.to_string(),
                price_minor: 100,
                stock: 10,
                hot: hot && n == 0,
            })
            .collect()
    }

    fn options(seed: u64) -> Options {
        Options {
            seed,
            seconds: 60,
            orders_per_minute: 1200,
            ..Options::for_tests("unused")
        }
    }

    fn orders(schedule: &[Arrival]) -> Vec<&Wish> {
        schedule
            .iter()
            .filter_map(|arrival| match &arrival.action {
                Action::Order(wish) => Some(wish),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn one_seed_is_one_schedule() {
        let products = products(10, true);
        let one = schedule(&options(7), &products);
        assert_eq!(one, schedule(&options(7), &products));
        assert_ne!(one, schedule(&options(8), &products));
    }

    #[test]
    fn as_many_come_as_were_asked_for_and_none_after_the_end() {
        let all = schedule(&options(3), &products(10, false));
        // Four standard deviations of a Poisson number of 1200.
        assert!((1062..=1338).contains(&orders(&all).len()));
        assert!(all.is_sorted_by_key(|arrival| arrival.at));
        assert!(
            all.iter()
                .all(|arrival| arrival.at < Duration::from_mins(1))
        );
    }

    #[test]
    fn every_kind_of_order_is_among_them() {
        let all = schedule(&options(5), &products(10, true));
        let orders = orders(&all);
        for token in ["tok_ok", "tok_declined", "tok_timeout"] {
            assert!(orders.iter().any(|wish| wish.payment_token == token));
        }
        assert!(orders.iter().any(|wish| wish.of_cart));
        assert!(orders.iter().any(|wish| wish.repeated));
        assert!(orders.iter().any(|wish| wish.cancelled_after.is_some()));
        assert!(orders.iter().any(|wish| wish.lines == [(0, 1)]));
        assert!(
            orders
                .iter()
                .any(|wish| wish.shipped && wish.comeback.is_none())
        );
        assert!(orders.iter().all(|wish| !wish.lines.is_empty()));
        let comebacks: Vec<&Comeback> = orders
            .iter()
            .filter_map(|wish| wish.comeback.as_ref())
            .collect();
        for is in [
            |comeback: &Comeback| comeback.whole,
            |comeback: &Comeback| comeback.restocked,
            |comeback: &Comeback| comeback.repeated,
        ] {
            assert!(comebacks.iter().any(|comeback| is(comeback)));
            assert!(comebacks.iter().any(|comeback| !is(comeback)));
        }
    }
}
