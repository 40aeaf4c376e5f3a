//! `souk bench-orders`: the figures of orders beside `pgbench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::bench::{self, BenchOptions};
use crate::checkout;

/// Measures orders side by side with `pgbench -N` on the same server.
///
/// Starts a shop of its own and prints tables: orders placed per second, first
/// while what follows an order waits, then with the whole shop at work on the
/// same processors; how long it takes to place one and to have it confirmed;
/// how many reservations one hot product stands. It wants release builds: `make
/// bench-orders`.
#[derive(Debug, Args)]
#[command(name = "bench-orders")]
pub struct BenchOrders {
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// How often each is made; the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// How many clients at once, a row each.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64")]
    clients: Vec<usize>,

    /// The pace of the measurement through the edge.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    orders_per_minute: u32,

    /// How long that one takes, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    paced_seconds: u64,

    /// How many orders wait for stock in the measurement of a hot product.
    #[arg(long, default_value_t = 20_000, value_parser = 1..=1_000_000)]
    backlog: i64,

    /// Where the shop lies while it is measured [default: .souk/bench in the
    /// checkout].
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl BenchOrders {
    /// Measures and prints.
    ///
    /// # Errors
    /// When the shop does not start or a measurement cannot be made.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let options = BenchOptions {
            dir: checkout::place(self.dir.as_deref(), "bench"),
            each: Duration::from_secs(self.seconds),
            rounds: self.rounds.max(1),
            clients: self.clients,
            orders_per_minute: self.orders_per_minute,
            open_loop: Duration::from_secs(self.paced_seconds),
            backlog: usize::try_from(self.backlog)?,
        };
        let figures = bench::run(&options, |line| eprintln!("bench-orders: {line}")).await?;
        println!("{figures}");
        Ok(ExitCode::SUCCESS)
    }
}
