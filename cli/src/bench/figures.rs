//! What was measured, as a table.

use std::fmt;

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
    rows: Vec<Row>,
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
    confirm: Percentiles,
    hot_ratio: f64,
    failed: usize,
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
struct Percentiles {
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

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(placed: &Placed) -> f64 {
    placed.micros.len() as f64 / placed.took.as_secs_f64()
}

impl Row {
    pub(super) async fn median(
        clients: usize,
        shop: &Shop,
        rounds: Vec<(f64, Placed, Placed)>,
    ) -> anyhow::Result<Self> {
        let each =
            |figure: fn(&(f64, Placed, Placed)) -> f64| median(rounds.iter().map(figure).collect());
        let (pgbench, orders) = (each(|round| round.0), each(|round| rate(&round.1)));
        let ratio = each(|round| rate(&round.1) / round.0);
        let hot_ratio = each(|round| rate(&round.2) / rate(&round.1));
        let failed = rounds
            .iter()
            .map(|round| round.1.failed + round.2.failed)
            .sum();
        let mut confirmations = Vec::new();
        for (_, many, _) in &rounds {
            confirmations.extend(shop.confirmations(many.span).await?);
        }
        let micros = rounds.into_iter().flat_map(|round| round.1.micros);
        Ok(Self {
            clients,
            pgbench,
            orders,
            ratio,
            place: Percentiles::of(micros.collect()),
            confirm: Percentiles::of(confirmations),
            hot_ratio,
            failed,
        })
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
    pub(super) fn new(rows: Vec<Row>, paced: Paced, backlogs: &[(f64, f64)]) -> Self {
        let each = |figure: fn(&(f64, f64)) -> f64| median(backlogs.iter().map(figure).collect());
        Self {
            rows,
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

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "clients  pgbench -N/s  orders/s   ratio  PlaceOrder p50  p99 ms  confirmed p50  p99 ms  hot/many  failed"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:>7}  {:>12.0}  {:>8.0}  {:>6.2}  {:>14.2}  {:>6.2}  {:>13.1}  {:>6.1}  {:>8.2}  {:>6}",
                row.clients,
                row.pgbench,
                row.orders,
                row.ratio,
                row.place.p50,
                row.place.p99,
                row.confirm.p50,
                row.confirm.p99,
                row.hot_ratio,
                row.failed,
            )?;
        }
        writeln!(f)?;
        for row in &self.rows {
            writeln!(
                f,
                "orders placed per second at {} clients: {:.2} times pgbench -N (bar {PLACED_BAR}): {}",
                row.clients,
                row.ratio,
                held(row.ratio >= PLACED_BAR)
            )?;
        }
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
