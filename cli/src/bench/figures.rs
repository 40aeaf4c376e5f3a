//! What was measured, as a table.

use std::fmt;
use std::time::Duration;

use super::clients::Placed;
use super::shop::Shop;

/// Bars that the figures are held against.
const PLACED_BAR: f64 = 1.0;
const HOT_BAR: f64 = 0.5;
const PLACE_P99_BAR_MS: f64 = 50.0;
const CONFIRM_P99_BAR_MS: f64 = 500.0;

/// All figures.
#[derive(Debug)]
pub struct Figures {
    alone: Vec<Row>,
    worked_off: WorkedOff,
    whole: Vec<Row>,
    paced: Paced,
    backlog_many: f64,
    backlog_hot: f64,
    backlog_ratio: f64,
}

/// One number of clients, each figure the median of its rounds.
#[derive(Debug)]
pub(super) struct Row {
    clients: usize,
    pgbench: f64,
    orders: f64,
    ratio: f64,
    place: Percentiles,
    failed: usize,
    /// Where the whole shop was at work: from placed to confirmed, and orders
    /// of one product per second against those of many.
    confirm: Option<(Percentiles, f64)>,
}

/// Orders that waited until the shop was whole again.
#[derive(Debug)]
pub(super) struct WorkedOff {
    orders: i64,
    per_second: f64,
}

/// Orders at a given pace.
#[derive(Debug)]
pub(super) struct Paced {
    orders: usize,
    failed: usize,
    place: Percentiles,
    confirm: Percentiles,
}

/// In milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Percentiles {
    fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |percent: usize| {
            let place = (micros.len() * percent).div_ceil(100).saturating_sub(1);
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            micros
                .get(place)
                .map_or(0.0, |micros| *micros as f64 / 1000.0)
        };
        Self {
            p50: at(50),
            p99: at(99),
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

impl Row {
    pub(super) fn median(clients: usize, rounds: Vec<(f64, Placed)>) -> Self {
        let each = |figure: fn(&(f64, Placed)) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            clients,
            pgbench: each(|round| round.0),
            orders: each(|round| round.1.rate()),
            ratio: each(|round| round.1.rate() / round.0),
            failed: rounds.iter().map(|round| round.1.failed).sum(),
            place: Percentiles::of(
                rounds
                    .into_iter()
                    .flat_map(|round| round.1.micros)
                    .collect(),
            ),
            confirm: None,
        }
    }

    pub(super) fn with(self, confirmed: Vec<u64>, hot_rates: Vec<f64>) -> Self {
        Self {
            confirm: Some((Percentiles::of(confirmed), median(hot_rates))),
            ..self
        }
    }
}

/// From placed to confirmed, in microseconds, of the orders of these rounds.
pub(super) async fn confirmed(shop: &Shop, rounds: &[(f64, Placed)]) -> anyhow::Result<Vec<u64>> {
    let mut confirmed = Vec::new();
    for (_, placed) in rounds {
        confirmed.extend(shop.confirmations(placed.span).await?);
    }
    Ok(confirmed)
}

impl WorkedOff {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn of(orders: i64, took: Duration) -> Self {
        Self {
            orders,
            per_second: orders as f64 / took.as_secs_f64(),
        }
    }
}

impl Paced {
    pub(super) async fn of(shop: &Shop, placed: Placed) -> anyhow::Result<Self> {
        Ok(Self {
            orders: placed.micros.len(),
            failed: placed.failed,
            confirm: Percentiles::of(shop.confirmations(placed.span).await?),
            place: Percentiles::of(placed.micros),
        })
    }
}

impl Figures {
    pub(super) fn new(
        alone: Vec<Row>,
        worked_off: WorkedOff,
        whole: Vec<Row>,
        paced: Paced,
        backlogs: &[(f64, f64)],
    ) -> Self {
        let each = |figure: fn(&(f64, f64)) -> f64| median(backlogs.iter().map(figure).collect());
        Self {
            alone,
            worked_off,
            whole,
            paced,
            backlog_many: each(|round| round.0),
            backlog_hot: each(|round| round.1),
            backlog_ratio: each(|round| round.1 / round.0),
        }
    }
}

fn held(holds: bool) -> &'static str {
    if holds { "holds" } else { "MISSED" }
}

/// Rows as a table, and each against the bar.
fn table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    writeln!(
        f,
        "clients  pgbench -N/s  orders/s   ratio  PlaceOrder p50  p99 ms  confirmed p50  p99 ms  hot/many  failed  bar {PLACED_BAR}"
    )?;
    for row in rows {
        write!(
            f,
            "{:>7}  {:>12.0}  {:>8.0}  {:>6.2}  {:>14.2}  {:>6.2}",
            row.clients, row.pgbench, row.orders, row.ratio, row.place.p50, row.place.p99,
        )?;
        match row.confirm {
            Some((confirm, hot)) => write!(
                f,
                "  {:>13.1}  {:>6.1}  {hot:>8.2}",
                confirm.p50, confirm.p99
            )?,
            None => write!(f, "  {:>13}  {:>6}  {:>8}", "-", "-", "-")?,
        }
        let held = held(row.ratio >= PLACED_BAR);
        writeln!(f, "  {:>6}  {held}", row.failed)?;
    }
    writeln!(f)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Placing alone: NATS is stopped, what follows waits in the outbox"
        )?;
        table(f, &self.alone)?;
        writeln!(
            f,
            "NATS is back: {} orders that waited are worked off, {:.0} per second\n",
            self.worked_off.orders, self.worked_off.per_second
        )?;
        writeln!(f, "The whole shop at work on the same processors")?;
        table(f, &self.whole)?;
        let paced = &self.paced;
        writeln!(
            f,
            "at a pace, through the edge: {} orders, {} failed",
            paced.orders, paced.failed
        )?;
        writeln!(
            f,
            "  PlaceOrder p50 {:.2} ms, p99 {:.2} ms (bar < {PLACE_P99_BAR_MS}): {}",
            paced.place.p50,
            paced.place.p99,
            held(paced.place.p99 < PLACE_P99_BAR_MS)
        )?;
        writeln!(
            f,
            "  placed → confirmed p50 {:.1} ms, p99 {:.1} ms (bar < {CONFIRM_P99_BAR_MS}): {}",
            paced.confirm.p50,
            paced.confirm.p99,
            held(paced.confirm.p99 < CONFIRM_P99_BAR_MS)
        )?;
        writeln!(
            f,
            "reservations per second from a backlog: {:.0} over many products, {:.0} of one: {:.2} times (bar {HOT_BAR}): {}",
            self.backlog_many,
            self.backlog_hot,
            self.backlog_ratio,
            held(self.backlog_ratio >= HOT_BAR)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let of = Percentiles::of((1..=100).map(|n| n * 1000).collect());
        assert!((of.p50 - 50.0).abs() < f64::EPSILON);
        assert!((of.p99 - 99.0).abs() < f64::EPSILON);
        assert!(Percentiles::of(Vec::new()).p99.abs() < f64::EPSILON);
    }
}
