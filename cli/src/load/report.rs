//! What a run has shown: for people, and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::books::{Finding, Snapshot};
use super::faults::Happened;
use super::record::End;
use super::settle::Settled;
use super::tally::{StepCount, Times};
use super::{Driven, Options};

/// What a run has shown.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the arrivals were drawn from.
    pub seed: u64,
    /// Orders that arrived in a minute, on average.
    pub orders_per_minute: u32,
    /// For how long they arrived, in seconds.
    pub seconds: u32,
    /// How long it took until all of them had left.
    pub took_s: f64,
    /// How long the shop took to come to rest after that.
    pub settled_s: f64,
    /// Arrivals that found too many others inside.
    pub shed: u64,
    /// How the requests ended.
    pub requests: Requests,
    /// What became of the orders, by status.
    pub orders: BTreeMap<String, u64>,
    /// The steps, from the moment for which each was planned.
    pub steps: Vec<StepCount>,
    /// What was broken.
    pub faults: Vec<Happened>,
    /// The books.
    pub books: Vec<Finding>,
}

/// How the requests ended.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Requests {
    /// With an order.
    pub answered: u64,
    /// With a definite no, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Without an answer, by what was heard last.
    pub unknown: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        driven: &Driven,
        settled: &Settled,
        snapshot: &Snapshot,
        books: Vec<Finding>,
    ) -> Self {
        let mut requests = Requests::default();
        for asked in &driven.record.asked {
            match &asked.end {
                End::Answered { .. } => requests.answered += 1,
                End::Refused { reason } => {
                    *requests.refused.entry(reason.clone()).or_default() += 1;
                }
                End::Unknown { last } => *requests.unknown.entry(last.clone()).or_default() += 1,
            }
        }
        let mut orders: BTreeMap<String, u64> = BTreeMap::new();
        for order in &snapshot.orders {
            *orders.entry(order.status.clone()).or_default() += 1;
        }
        let mut steps = driven.steps.clone();
        steps.push(confirm(snapshot));
        Self {
            seed: options.seed,
            orders_per_minute: options.orders_per_minute,
            seconds: options.seconds,
            took_s: driven.seconds,
            settled_s: settled.seconds,
            shed: driven.shed,
            requests,
            orders,
            steps,
            faults: driven.faults.clone(),
            books,
        }
    }

    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.books.iter().all(Finding::holds)
    }

    /// What a check has found.
    pub fn finding(&self, check: &str) -> Option<&Finding> {
        self.books.iter().find(|finding| finding.check == check)
    }
}

/// From placed to confirmed, as the order service's own times have it.
fn confirm(snapshot: &Snapshot) -> StepCount {
    let mut times = Times::default();
    for order in &snapshot.orders {
        let span = order.confirmed_at.map(|at| at - order.placed_at);
        // A clock that was set back makes a span that was none.
        if let Some(Ok(span)) = span.map(|span| span.to_std()) {
            times.add(span);
        }
    }
    StepCount::of("confirm", &times, 0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} orders a minute for {} s, seed {}; all had left after {:.1} s, all was at rest \
             {:.1} s later",
            self.orders_per_minute, self.seconds, self.seed, self.took_s, self.settled_s
        )?;
        writeln!(
            f,
            "requests: {} answered, {} refused{}, {} unknown{}; {} arrivals shed",
            self.requests.answered,
            self.requests.refused.values().sum::<u64>(),
            reasons(&self.requests.refused),
            self.requests.unknown.values().sum::<u64>(),
            reasons(&self.requests.unknown),
            self.shed,
        )?;
        writeln!(f, "orders: {}", counts(&self.orders))?;
        writeln!(
            f,
            "\n{:8} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "step", "count", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms"
        )?;
        for step in &self.steps {
            writeln!(
                f,
                "{:8} {:>8} {:>7} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
                step.step,
                step.count,
                step.errors,
                step.p50_ms,
                step.p95_ms,
                step.p99_ms,
                step.max_ms
            )?;
        }
        if !self.faults.is_empty() {
            writeln!(f, "\nfaults")?;
            for fault in &self.faults {
                writeln!(f, "{fault}")?;
            }
        }
        writeln!(f, "\nbooks")?;
        for finding in &self.books {
            writeln!(f, "{finding}")?;
        }
        let failed = self.books.iter().filter(|finding| !finding.holds()).count();
        if failed == 0 {
            write!(f, "\nthe books balance")
        } else {
            write!(
                f,
                "\nTHE BOOKS DO NOT BALANCE: {failed} of {} checks",
                self.books.len()
            )
        }
    }
}

fn reasons(counted: &BTreeMap<String, u64>) -> String {
    if counted.is_empty() {
        return String::new();
    }
    format!(" ({})", counts(counted))
}

fn counts(counted: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = counted
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    words.join(", ")
}
