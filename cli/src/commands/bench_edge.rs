//! `souk bench-edge`: the edge beside nginx, HAProxy, Varnish and Envoy.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::signals::Signals;
use crate::bench_edge::{self, BenchEdgeOptions, Row};
use crate::checkout;

/// What an interrupted run exits with.
const INTERRUPTED: u8 = 130;

/// Measures the edge side by side with nginx, HAProxy, Varnish and Envoy.
///
/// Starts all of them before one origin, loads them in turn with h2load, and
/// prints a table: requests per second and CPU for each, with the ratios to
/// the edge. What is not installed is left out. It wants a release build of
/// the edge: `make bench-edge`.
#[derive(Debug, Args)]
#[command(name = "bench-edge")]
pub struct BenchEdge {
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// How often each is made; the median is printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,

    /// What is measured [default: all].
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<Row>,

    /// Connections of the measurement of memory.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u16).range(1..=8000))]
    idle_connections: u16,

    /// Where the servers keep their data and logs [default: .souk/bench-edge
    /// in the checkout].
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl BenchEdge {
    /// Measures and prints.
    ///
    /// # Errors
    /// When a server does not start, or does not answer as it should.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let rows = if self.only.is_empty() {
            Row::ALL.to_vec()
        } else {
            self.only
        };
        let options = BenchEdgeOptions {
            dir: checkout::place(self.dir.as_deref(), "bench-edge"),
            each: Duration::from_secs(self.seconds),
            rounds: self.rounds.into(),
            rows,
            idle_connections: self.idle_connections.into(),
        };
        let measured = bench_edge::run(&options, |line| eprintln!("bench-edge: {line}"));
        tokio::select! {
            // Whoever was started ends with what started it.
            figures = measured => println!("{}", figures?),
            _ = signals.next() => return Ok(ExitCode::from(INTERRUPTED)),
        }
        Ok(ExitCode::SUCCESS)
    }
}
