//! How slow an instance is: a peak-EWMA of its answers' latency. It rises to
//! a slow answer at once and forgets it slowly, so that an instance in trouble
//! is left alone before its queue grows.
//!
//! The formula is Finagle's
//! (<https://github.com/twitter/finagle/blob/develop/finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/p2c/P2CPeakEwma.scala>),
//! with the time between observations in the weight
//! (<http://www.eckner.com/papers/ts_alg.pdf>). It reads no clock: whoever
//! calls says what time it is.

use std::time::{Duration, Instant};

/// After so long an observation weighs 1/e.
const DECAY: Duration = Duration::from_secs(10);
/// A latency that fell below this, in seconds, is forgotten: nothing is known.
const FORGOTTEN_SECONDS: f64 = 1e-6;
/// What an instance costs of which nothing is known while it is tried: more
/// than any latency, so that one request finds out, and not all at once.
const PENALTY_SECONDS: f64 = 1e9;

/// A moving average that is sensitive to peaks.
#[derive(Debug, Clone, Copy)]
pub struct PeakEwma {
    seconds: f64,
    observed: Instant,
}

impl PeakEwma {
    /// Nothing is known yet.
    pub fn new(now: Instant) -> Self {
        Self {
            seconds: 0.0,
            observed: now,
        }
    }

    /// An answer took so long.
    pub fn observe(&mut self, latency: Duration, now: Instant) {
        let latency = latency.as_secs_f64();
        let weight = self.weight(now);
        self.seconds = if latency > self.seconds {
            latency
        } else {
            self.seconds * weight + latency * (1.0 - weight)
        };
        self.observed = self.observed.max(now);
    }

    /// An answer will take so long at least. That tells nothing when it is
    /// less than what is expected anyway.
    pub fn observe_at_least(&mut self, latency: Duration, now: Instant) {
        if latency.as_secs_f64() > self.seconds(now) {
            self.observe(latency, now);
        }
    }

    /// The average, in seconds; zero when nothing is known.
    pub fn seconds(&self, now: Instant) -> f64 {
        let seconds = self.seconds * self.weight(now);
        if seconds < FORGOTTEN_SECONDS {
            0.0
        } else {
            seconds
        }
    }

    fn weight(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.observed);
        (-passed.as_secs_f64() / DECAY.as_secs_f64()).exp()
    }
}

/// What one more request would cost an instance: its latency times those that
/// wait already.
pub fn cost(seconds: f64, in_flight: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "requests in flight are few")]
    let in_flight = in_flight as f64;
    if seconds <= 0.0 && in_flight > 0.0 {
        PENALTY_SECONDS + in_flight
    } else {
        seconds * (in_flight + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_rises_at_once_and_forgets_slowly() {
        let begun = Instant::now();
        let mut ewma = PeakEwma::new(begun);
        assert!(ewma.seconds(begun) <= 0.0);
        ewma.observe(10 * MS, begun);
        ewma.observe(500 * MS, begun);
        assert!(
            (ewma.seconds(begun) - 0.5).abs() < 1e-9,
            "a peak counts whole"
        );
        let later = begun + DECAY;
        ewma.observe(10 * MS, later);
        let expected = 0.5 / 1f64.exp() + 0.01 * (1.0 - 1.0 / 1f64.exp());
        assert!((ewma.seconds(later) - expected).abs() < 1e-9);
        assert!(ewma.seconds(later + 100 * DECAY) <= 0.0, "nothing is known");
    }

    #[test]
    fn what_is_known_only_in_part_never_makes_an_instance_faster() {
        let begun = Instant::now();
        let mut ewma = PeakEwma::new(begun);
        ewma.observe(100 * MS, begun);
        ewma.observe_at_least(MS, begun + 10 * MS);
        assert!(ewma.seconds(begun + 10 * MS) > 0.099);
        ewma.observe_at_least(700 * MS, begun + 20 * MS);
        assert!(ewma.seconds(begun + 20 * MS) > 0.69);
    }

    proptest! {
        /// Whatever comes: it stays between nothing and the slowest answer,
        /// and never falls below a part of the last one.
        #[test]
        fn it_stays_within_what_was_observed(steps in prop::collection::vec((0..5_000u64, 0..60_000u64), 1..100)) {
            let mut now = Instant::now();
            let mut ewma = PeakEwma::new(now);
            let mut slowest = 0.0f64;
            for (latency_ms, pause_ms) in steps {
                now += Duration::from_millis(pause_ms);
                let before = ewma.seconds(now);
                let latency = Duration::from_millis(latency_ms);
                ewma.observe(latency, now);
                slowest = slowest.max(latency.as_secs_f64());
                let after = ewma.seconds(now);
                prop_assert!(after >= 0.0 && after <= slowest + 1e-9);
                prop_assert!(after + 1e-5 >= before.min(latency.as_secs_f64()));
                prop_assert!(latency.as_secs_f64() < before || after + 1e-5 >= latency.as_secs_f64());
            }
        }

        #[test]
        fn more_in_flight_and_more_latency_cost_more(seconds in 0.001..10.0f64, more in 0.001..10.0f64, in_flight in 0..1000usize) {
            prop_assert!(cost(seconds, in_flight) < cost(seconds + more, in_flight));
            prop_assert!(cost(seconds, in_flight) < cost(seconds, in_flight + 1));
            // One that nobody knows is tried by one request, not by all.
            prop_assert!(cost(0.0, 0) < cost(seconds, in_flight));
            prop_assert!(cost(0.0, 1 + in_flight) > cost(seconds, in_flight));
        }
    }
}
