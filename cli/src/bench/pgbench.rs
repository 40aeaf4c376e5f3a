//! PostgreSQL's own yardstick: `pgbench -N`, on the server that keeps the
//! orders.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::shop::Shop;
use crate::checkout::postgres_program;
use crate::stack::Process;

/// A hundred thousand accounts for each unit, so that clients seldom meet.
const SCALE: &str = "10";
/// Its own tables stand beside those of the orders, in the same database.
const DATABASE: Process = Process::Order;
/// How many threads drive its clients.
const THREADS: usize = 2;

/// Makes its tables.
pub(super) async fn prepare(shop: &Shop) -> anyhow::Result<()> {
    output(shop, &["-i", "-q", "-s", SCALE]).await.map(drop)
}

/// Its transactions per second.
pub(super) async fn run(shop: &Shop, clients: usize, time: Duration) -> anyhow::Result<f64> {
    let clients_text = clients.to_string();
    let threads = clients.min(THREADS).to_string();
    let seconds = time.as_secs().max(1).to_string();
    let text = output(
        shop,
        &[
            "-N",
            "-n",
            "-c",
            &clients_text,
            "-j",
            &threads,
            "-T",
            &seconds,
        ],
    )
    .await?;
    text.lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .with_context(|| format!("pgbench printed no tps: {text}"))
}

async fn output(shop: &Shop, arguments: &[&str]) -> anyhow::Result<String> {
    let made = Command::new(postgres_program("pgbench")?)
        .args(arguments)
        .arg(shop.stack.database_url(DATABASE)?)
        .output()
        .await
        .context("pgbench")?;
    if !made.status.success() {
        bail!("pgbench: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(String::from_utf8_lossy(&made.stdout).into_owned())
}
