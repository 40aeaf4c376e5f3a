//! `souk load`: the load generator and the judge.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use svc_kit::random;

use super::signals::Signals;
use crate::checkout;
use crate::load::faults::Fault;
use crate::load::view::Show;
use crate::load::{self, Options};

/// What a command ended by Ctrl-C exits with.
const INTERRUPTED: u8 = 130;
/// Orders a minute, at most: a thousand in a second.
const MAX_ORDERS_PER_MINUTE: i64 = 60_000;
/// Seconds of a run, at most: a day.
const MAX_SECONDS: i64 = 24 * 60 * 60;
/// Customers, at most.
const MAX_CUSTOMERS: u64 = 10_000;
/// Products, at most.
const MAX_PRODUCTS: u64 = 100_000;

/// Loads a shop of its own, breaks it as told, and audits its books.
///
/// The shop is private to the folder and made anew; orders arrive at times
/// that are fixed beforehand, whatever the shop does. When all is at rest, the
/// books are read from the databases, the streams and the mails.
///
/// Exit code: 0 when the books balance, 1 when they do not, 2 when the run
/// could not be done.
#[derive(Debug, Args)]
pub struct Load {
    /// Orders that arrive in a minute, on average.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=MAX_ORDERS_PER_MINUTE))]
    orders_per_minute: u32,

    /// For how long they arrive.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=MAX_SECONDS))]
    seconds: u32,

    /// What is broken meanwhile: none, all, or names with commas between:
    /// kill-identity, kill-catalog, kill-order, kill-payment, kill-notify,
    /// kill-edge, kill-postgres, kill-nats, empty-redis, slow-provider,
    /// down-provider, jump-clock.
    #[arg(long, default_value = "none", value_name = "LIST")]
    faults: String,

    /// One product that every fifth order wants, with so many pieces.
    #[arg(
        long,
        value_name = "PIECES",
        num_args = 0..=1,
        default_missing_value = "100",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    hot_sku: Option<u32>,

    /// What the arrivals are drawn from; the same gives the same [default: one
    /// at random, which is printed].
    #[arg(long)]
    seed: Option<u64>,

    /// Customers who order.
    #[arg(long, default_value_t = Options::CUSTOMERS as u64, value_parser = clap::value_parser!(u64).range(1..=MAX_CUSTOMERS))]
    customers: u64,

    /// Products on sale.
    #[arg(long, default_value_t = Options::PRODUCTS as u64, value_parser = clap::value_parser!(u64).range(1..=MAX_PRODUCTS))]
    products: u64,

    /// How long the shop may take to come to rest afterwards, in seconds.
    #[arg(long, default_value_t = Options::SETTLE_WITHIN.as_secs(), value_name = "SECONDS")]
    settle_within: u64,

    /// Also write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// The shop's folder [default: .souk/load in the checkout].
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Load {
    /// Loads, audits, prints.
    ///
    /// # Errors
    /// When the run could not be done.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let options = self.options()?;
        let report = tokio::select! {
            report = load::run(&options) => report?,
            _ = signals.next() => {
                eprintln!("stopped; nothing was audited");
                return Ok(ExitCode::from(INTERRUPTED));
            }
        };
        println!("{report}");
        if let Some(path) = &self.report {
            let json = serde_json::to_vec_pretty(&report)?;
            fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(if report.holds() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            dir: checkout::place(self.dir.as_deref(), "load"),
            durable: true,
            orders_per_minute: self.orders_per_minute,
            seconds: self.seconds,
            seed: self
                .seed
                .unwrap_or_else(|| u64::from_le_bytes(random::bytes())),
            faults: Fault::parse_list(&self.faults).map_err(anyhow::Error::msg)?,
            hot_stock: self.hot_sku,
            customers: usize::try_from(self.customers)?,
            products: usize::try_from(self.products)?,
            settle_within: std::time::Duration::from_secs(self.settle_within),
            binaries: None,
            env: Vec::new(),
            show: Show::Progress,
        })
    }
}
