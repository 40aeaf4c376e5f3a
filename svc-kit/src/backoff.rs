//! How long to wait after failures: exponential, up to a cap, with full
//! jitter. It never sleeps itself.

use std::time::Duration;

use crate::random;

/// The shortest pause, so that a lucky draw is not a busy loop.
const FLOOR: Duration = Duration::from_millis(20);

/// Beyond this many doublings every cap is reached.
const MAX_DOUBLINGS: u32 = 20;

/// A schedule of pauses.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// The first pause is up to `base`, each further up to twice the one
    /// before it, none longer than `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The pause after the given number of failures in a row, from one.
    pub fn delay(self, failures: u32) -> Duration {
        random::jitter(self.most(failures)).max(FLOOR)
    }

    fn most(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

    #[test]
    fn pauses_double_up_to_the_cap() {
        assert_eq!(SCHEDULE.most(1), Duration::from_millis(100));
        assert_eq!(SCHEDULE.most(2), Duration::from_millis(200));
        assert_eq!(SCHEDULE.most(4), Duration::from_millis(800));
        assert_eq!(SCHEDULE.most(u32::MAX), Duration::from_secs(5));
    }

    #[test]
    fn a_pause_is_never_nothing() {
        for failures in 0..50 {
            let delay = SCHEDULE.delay(failures);
            assert!(
                delay >= FLOOR && delay <= Duration::from_secs(5),
                "{delay:?}"
            );
        }
    }
}
