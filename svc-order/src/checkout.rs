//! How long a checkout may take, and when it is announced again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The rules of the reconciler.
#[derive(Debug, Clone, Copy)]
pub struct CheckoutRules {
    /// How long a step may take before it is announced again; doubles with
    /// each announcement.
    pub announce_after: Duration,
    /// The longest wait between two announcements.
    pub announce_ceiling: Duration,
    /// How old an unfinished order becomes before it is cancelled.
    pub timeout: Duration,
    /// How much the reconciler's clock is ahead; negative: behind. For drills:
    /// it may announce and cancel too early or too late by this, and nothing
    /// else may come of it.
    pub clock_offset: TimeDelta,
}

/// The most doublings of the wait between two announcements.
const MAX_DOUBLINGS: u32 = 10;

impl Default for CheckoutRules {
    fn default() -> Self {
        Self {
            announce_after: Duration::from_mins(1),
            announce_ceiling: Duration::from_mins(4),
            timeout: Duration::from_mins(15),
            clock_offset: TimeDelta::zero(),
        }
    }
}

impl CheckoutRules {
    /// When an order that was placed at `created_at` and whose present step
    /// was announced again so many times is looked at next.
    #[must_use]
    pub fn next_check(
        &self,
        created_at: DateTime<Utc>,
        now: DateTime<Utc>,
        announcements: u32,
    ) -> DateTime<Utc> {
        let factor = 2_u32.pow(announcements.min(MAX_DOUBLINGS));
        let wait = self
            .announce_after
            .saturating_mul(factor)
            .min(self.announce_ceiling);
        (now + wait).min(self.deadline(created_at))
    }

    /// When an unfinished order is cancelled.
    #[must_use]
    pub fn deadline(&self, created_at: DateTime<Utc>) -> DateTime<Utc> {
        created_at + self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_become_rarer_and_end_with_the_deadline() {
        let rules = CheckoutRules::default();
        let created = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let wait = |n| (rules.next_check(created, created, n) - created).num_seconds();
        assert_eq!(
            [wait(0), wait(1), wait(2), wait(3), wait(99)],
            [60, 120, 240, 240, 240]
        );
        let late = created + Duration::from_mins(14);
        assert_eq!(rules.next_check(created, late, 0), created + rules.timeout);
    }
}
