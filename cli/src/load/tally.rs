//! How often each step was done, how often it failed, and how long it took.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest that is told apart, in microseconds: ten minutes.
const LONGEST_US: u64 = 10 * 60 * 1_000_000;
/// Significant digits of what is measured.
const DIGITS: u8 = 3;

/// A step of a customer, or of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The newest products.
    List,
    /// One product.
    Get,
    /// A search.
    Search,
    /// Something into the cart.
    Cart,
    /// An order, until its answer, repeats included.
    Place,
    /// An order called off.
    Cancel,
    /// An order to the carrier, by staff.
    Ship,
    /// Some of an order taken back, by staff.
    Return,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Search => "search",
            Self::Cart => "cart",
            Self::Place => "place",
            Self::Cancel => "cancel",
            Self::Ship => "ship",
            Self::Return => "return",
        }
    }
}

/// One step of a run, counted and measured. Times are in milliseconds, from
/// the moment for which the step was planned.
#[derive(Debug, Clone, Serialize)]
pub struct StepCount {
    /// Which.
    pub step: &'static str,
    /// How often it was done.
    pub count: u64,
    /// How often it failed for good.
    pub errors: u64,
    /// The middle.
    pub p50_ms: f64,
    /// Slower are five of a hundred.
    pub p95_ms: f64,
    /// Slower is one of a hundred.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl StepCount {
    /// Of these times.
    pub(super) fn of(step: &'static str, times: &Times, errors: u64) -> Self {
        Self {
            step,
            count: times.0.len() + errors,
            errors,
            p50_ms: times.quantile_ms(0.5),
            p95_ms: times.quantile_ms(0.95),
            p99_ms: times.quantile_ms(0.99),
            max_ms: times.quantile_ms(1.0),
        }
    }
}

/// Times of one kind.
#[derive(Debug, Clone)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants that are good")]
        Self(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("good bounds"))
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(micros.clamp(1, LONGEST_US));
    }

    pub(super) fn quantile_ms(&self, share: f64) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        Duration::from_micros(self.0.value_at_quantile(share)).as_secs_f64() * 1000.0
    }
}

#[derive(Debug, Default)]
struct Counted {
    times: Times,
    errors: u64,
}

/// Counts as they stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now {
    pub(super) arrivals: u64,
    pub(super) in_flight: u64,
    pub(super) shed: u64,
    pub(super) retried: u64,
    pub(super) answered: u64,
    pub(super) refused: u64,
    pub(super) unknown: u64,
}

#[derive(Debug, Default)]
struct Inner {
    now: Now,
    steps: BTreeMap<Step, Counted>,
    recent: Times,
}

/// The counts of a run; shared by all who come.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Inner>);

impl Tally {
    /// A step came to its end.
    pub(super) fn step(&self, step: Step, time: Duration, good: bool) {
        let mut inner = self.inner();
        let counted = inner.steps.entry(step).or_default();
        if good {
            counted.times.add(time);
        } else {
            counted.errors += 1;
        }
        if step == Step::Place && good {
            inner.recent.add(time);
        }
    }

    /// Changes the counts.
    pub(super) fn count(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.inner().now);
    }

    /// The counts.
    pub(super) fn now(&self) -> Now {
        self.inner().now
    }

    /// How long orders took since this was asked last.
    pub(super) fn take_recent(&self) -> Times {
        std::mem::take(&mut self.inner().recent)
    }

    /// The steps that were done.
    pub(super) fn counts(&self) -> Vec<StepCount> {
        self.inner()
            .steps
            .iter()
            .map(|(step, counted)| StepCount::of(step.name(), &counted.times, counted.errors))
            .collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
