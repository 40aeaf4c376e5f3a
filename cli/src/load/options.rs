//! What a load is started with.

use std::path::PathBuf;
use std::time::Duration;

use super::faults::Fault;
use super::view::Show;
use crate::stack::Process;

/// What a load is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of its shop, which is made anew.
    pub dir: PathBuf,
    /// Whether what the shop acknowledges survives a power cut.
    pub durable: bool,
    /// Orders that arrive in a minute, on average.
    pub orders_per_minute: u32,
    /// For how long they arrive, in seconds.
    pub seconds: u32,
    /// What the arrivals are drawn from.
    pub seed: u64,
    /// What is broken, in this order.
    pub faults: Vec<Fault>,
    /// Pieces of the one product that many want; none: there is no such.
    pub hot_stock: Option<u32>,
    /// Customers who order.
    pub customers: usize,
    /// Ordinary products.
    pub products: usize,
    /// How long the shop may take to come to rest afterwards.
    pub settle_within: Duration,
    /// The folder of the services' binaries; without it, where they are built.
    pub binaries: Option<PathBuf>,
    /// More environment, for all of ours or for one.
    pub env: Vec<(Option<Process>, String, String)>,
    /// Who watches.
    pub show: Show,
}

impl Options {
    /// Customers when nobody says; each costs a password's hash at the start.
    pub const CUSTOMERS: usize = 48;
    /// Products when nobody says.
    pub const PRODUCTS: usize = 200;
    /// How long the shop may take to come to rest when nobody says. A step
    /// that got lost is announced again after minutes.
    pub const SETTLE_WITHIN: Duration = Duration::from_mins(10);

    /// A small load for a test: quick, silent, nothing broken.
    pub fn for_tests(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durable: false,
            orders_per_minute: 600,
            seconds: 5,
            seed: 1,
            faults: Vec::new(),
            hot_stock: None,
            customers: 8,
            products: 20,
            settle_within: Self::SETTLE_WITHIN,
            binaries: None,
            env: Vec::new(),
            show: Show::Nothing,
        }
    }
}
