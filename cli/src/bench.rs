//! The figures of orders, side by side with `pgbench` on the same server: how
//! many are placed per second, how long that takes, how soon they are confirmed,
//! and how many a hot product stands. It judges nothing: it measures and
//! prints.
//!
//! `pgbench` has the machine to itself, and its transactions have no
//! consequences; an order has a dozen. So placing is measured twice: with NATS
//! stopped, when what follows an order waits in the outbox, and with the whole
//! shop at work on the same processors.

mod backlog;
mod clients;
mod figures;
mod pgbench;
mod shop;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use uuid::Uuid;

pub use figures::Figures;

use self::clients::{Clients, Placed};
use self::figures::{Row, WorkedOff};
use self::shop::Shop;
use crate::stack::Process;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The folder of the shop that is measured; emptied first.
    pub dir: PathBuf,
    /// How long each single measurement takes.
    pub each: Duration,
    /// How often each is made; what is printed is the median.
    pub rounds: usize,
    /// How many clients there are at once, one row each.
    pub clients: Vec<usize>,
    /// The pace of the open-loop measurement.
    pub orders_per_minute: u32,
    /// How long the open-loop measurement takes.
    pub open_loop: Duration,
    /// How many orders wait for stock in the measurement of a hot product.
    pub backlog: usize,
}

/// Starts a shop, measures it, and stops it.
///
/// # Errors
/// When the shop does not start or a measurement cannot be made.
pub async fn run(options: &BenchOptions, say: impl Fn(&str)) -> anyhow::Result<Figures> {
    let most = options.clients.iter().copied().max().unwrap_or(1);
    say("starting a shop");
    let shop = Shop::open(&options.dir).await?;
    say("registering customers");
    let clients = Clients::register(&shop, most).await?;
    pgbench::prepare(&shop).await?;

    let mut alone = Vec::new();
    shop.stack.stop(Process::Nats).await?;
    for &count in &options.clients {
        let mut rounds = Vec::new();
        for round in 1..=options.rounds {
            let pgbench = pgbench::run(&shop, count, options.each).await?;
            let placed = clients
                .place(&shop, count, options.each, &shop.products)
                .await?;
            say(&told("placing alone", count, round, pgbench, &placed));
            rounds.push((pgbench, placed));
        }
        alone.push(Row::median(count, rounds));
    }
    let waiting = shop.unfinished().await?;
    say(&format!("working off {waiting} orders"));
    shop.stack.start_again(Process::Nats).await?;
    let begun = Instant::now();
    shop.settle().await?;
    let worked_off = WorkedOff::of(waiting, begun.elapsed());

    let mut whole = Vec::new();
    for &count in &options.clients {
        let mut rounds = Vec::new();
        let mut hot_rates = Vec::new();
        for round in 1..=options.rounds {
            let pgbench = pgbench::run(&shop, count, options.each).await?;
            let many = clients
                .place(&shop, count, options.each, &shop.products)
                .await?;
            say(&told("the whole shop", count, round, pgbench, &many));
            shop.settle().await?;
            let hot: &[Uuid] = std::slice::from_ref(&shop.hot);
            let hot = clients.place(&shop, count, options.each, hot).await?;
            shop.settle().await?;
            hot_rates.push(hot.rate() / many.rate());
            rounds.push((pgbench, many));
        }
        let confirmed = figures::confirmed(&shop, &rounds).await?;
        whole.push(Row::median(count, rounds).with(confirmed, hot_rates));
    }

    say("open loop, through the edge");
    let paced = clients
        .paced(&shop, options.orders_per_minute, options.open_loop)
        .await?;
    shop.settle().await?;
    let paced = figures::Paced::of(&shop, paced).await?;

    let mut backlogs = Vec::new();
    for round in 1..=options.rounds {
        say(&format!("reservations from a backlog, round {round}"));
        let many = backlog::drain(&shop, options.backlog, &shop.products).await?;
        let hot = backlog::drain(&shop, options.backlog, std::slice::from_ref(&shop.hot)).await?;
        backlogs.push((many, hot));
    }
    shop.close().await;
    Ok(Figures::new(alone, worked_off, whole, paced, &backlogs))
}

/// One measurement, as soon as it is made.
fn told(what: &str, clients: usize, round: usize, pgbench: f64, placed: &Placed) -> String {
    format!(
        "{clients} clients, {what}, round {round}: pgbench {pgbench:.0}/s, orders {:.0}/s",
        placed.rate()
    )
}
