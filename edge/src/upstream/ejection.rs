//! Leaves an instance alone that fails again and again, and tries it again
//! after a pause that doubles each time. It reads no clock: whoever calls says
//! what time it is.

use std::time::{Duration, Instant};

/// Failures in a row after which an instance is left alone.
pub const EJECT_AFTER: u32 = 5;
/// For how long, the first time...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ...and at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Who has been back for so long begins with the first pause again.
const FORGIVEN_AFTER: Duration = Duration::from_mins(2);
/// The share of a service's instances that may be left alone at once. What
/// hits more of them than this is not theirs, and those that are left would
/// only be overrun.
pub const MAX_EJECTED_PERCENT: usize = 50;

/// What is held against one instance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ejection {
    failures: u32,
    pauses: u32,
    until: Option<Instant>,
}

impl Ejection {
    /// It answered.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It did not. Says for how long it is left alone now, if it is and
    /// `allowed` says that it may be.
    pub fn failed(&mut self, now: Instant, allowed: impl FnOnce() -> bool) -> Option<Duration> {
        if self.is_out(now) {
            return None; // what still was under way
        }
        if self
            .until
            .is_some_and(|until| now >= until + FORGIVEN_AFTER)
        {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < EJECT_AFTER || !allowed() {
            return None;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.pauses.min(16))
            .min(LONGEST_PAUSE);
        self.pauses += 1;
        self.failures = EJECT_AFTER - 1; // back on probation: one failure is enough
        self.until = Some(now + pause);
        Some(pause)
    }

    /// Whether it failed so often that it should be left alone.
    pub fn is_due(&self) -> bool {
        self.failures >= EJECT_AFTER
    }

    /// Whether it is left alone.
    pub fn is_out(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fail(ejection: &mut Ejection, now: Instant) -> Option<Duration> {
        (0..EJECT_AFTER).find_map(|_| ejection.failed(now, || true))
    }

    #[test]
    fn it_takes_failures_in_a_row() {
        let now = Instant::now();
        let mut ejection = Ejection::default();
        for _ in 0..10 {
            for _ in 1..EJECT_AFTER {
                assert_eq!(ejection.failed(now, || true), None);
            }
            ejection.succeeded();
        }
        assert_eq!(fail(&mut ejection, now), Some(FIRST_PAUSE));
        assert!(ejection.is_out(now));
        assert!(!ejection.is_out(now + FIRST_PAUSE));
    }

    #[test]
    fn who_comes_back_is_on_probation_and_the_pause_doubles_up_to_the_longest() {
        let mut now = Instant::now();
        let mut ejection = Ejection::default();
        let mut pause = fail(&mut ejection, now).unwrap();
        for _ in 0..20 {
            now += pause;
            let next = ejection
                .failed(now, || true)
                .expect("one failure is enough");
            assert_eq!(next, (2 * pause).min(LONGEST_PAUSE));
            pause = next;
        }
        assert_eq!(pause, LONGEST_PAUSE);
        now += pause;
        ejection.succeeded();
        assert_eq!(ejection.failed(now, || true), None, "probation is over");
        now += FORGIVEN_AFTER;
        assert_eq!(fail(&mut ejection, now), Some(FIRST_PAUSE));
    }

    proptest! {
        #[test]
        fn without_leave_nobody_goes(steps in prop::collection::vec(any::<bool>(), 0..100)) {
            let now = Instant::now();
            let mut ejection = Ejection::default();
            for good in steps {
                if good { ejection.succeeded() } else { prop_assert_eq!(ejection.failed(now, || false), None) }
                prop_assert!(!ejection.is_out(now));
            }
        }
    }
}
