//! The arithmetic of a rate limit: GCRA, the generic cell rate algorithm,
//! which is a token bucket that one number describes. `take.lua` does the same
//! in Redis; a test holds the two together.
//! <https://www.itu.int/rec/T-REC-I.371>, annex A.
//!
//! All is counted in whole microseconds, which Lua's numbers hold exactly. It
//! knows no clock: what is used flows off by itself, a microsecond in each.

use std::num::NonZeroU32;

/// The most that may be allowed in a minute: one request in each microsecond.
pub const MAX_PER_MINUTE: u32 = 60_000_000;

const MINUTE_US: u64 = 60_000_000;
/// So many may come at once however short the burst, if the minute has them.
const MIN_BURST: u64 = 10;
/// After an outage a bucket has this part of its burst.
const SPARE_PARTS: u64 = 5;
/// The fleet together holds at most this part of a burst in leases.
const LEASE_PARTS: u64 = 16;
/// The most that one lease takes.
const MAX_LEASE: u64 = 1024;

/// How often somebody may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_us: u64,
    burst: u64,
}

/// What came of taking from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many were given: none when there were none.
    pub granted: u64,
    /// What is used since, in microseconds.
    pub used_us: u64,
}

impl Rate {
    /// So many a minute, of which so many seconds' worth may come at once.
    pub fn per_minute(count: NonZeroU32, burst_seconds: u32) -> Self {
        let count = u64::from(count.get());
        let burst = (count * u64::from(burst_seconds)).div_ceil(60);
        Self {
            interval_us: MINUTE_US.div_ceil(count),
            burst: burst.max(count.min(MIN_BURST)),
        }
    }

    /// The time that one request uses.
    pub fn interval_us(self) -> u64 {
        self.interval_us
    }

    /// How many may come at once.
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// The time that may be used at once.
    pub fn capacity_us(self) -> u64 {
        self.interval_us * self.burst
    }

    /// The part of one among so many edges. All parts together are the whole,
    /// but that each lets at least one at a time through.
    #[must_use]
    pub fn share(self, edges: u64) -> Self {
        let edges = edges.max(1);
        Self {
            interval_us: self.interval_us.saturating_mul(edges),
            burst: (self.burst / edges).max(1),
        }
    }

    /// How many an edge takes ahead of need, one among so many.
    pub fn lease(self, edges: u64) -> u64 {
        (self.burst / (LEASE_PARTS * edges.max(1))).clamp(1, MAX_LEASE)
    }

    /// How many a bucket has after an outage, when nobody knows how many it had.
    pub fn spare(self) -> u64 {
        (self.burst / SPARE_PARTS).max(1)
    }

    /// What counts as used then.
    pub fn caution_us(self) -> u64 {
        self.interval_us * (self.burst - self.spare())
    }

    /// How many are left.
    pub fn left(self, used_us: u64) -> u64 {
        self.capacity_us().saturating_sub(used_us) / self.interval_us
    }

    /// Takes up to `want`.
    pub fn take(self, used_us: u64, want: u64) -> Taken {
        let used_us = used_us.min(self.capacity_us());
        let granted = want.min(self.left(used_us));
        Taken {
            granted,
            used_us: used_us + granted * self.interval_us,
        }
    }

    /// How long until there is one more than now.
    pub fn wait_us(self, used_us: u64) -> u64 {
        let used_us = used_us.min(self.capacity_us());
        let room = self.capacity_us() - used_us;
        (self.interval_us - room % self.interval_us).min(used_us)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_minute: u32, burst_seconds: u32) -> Rate {
        Rate::per_minute(NonZeroU32::new(per_minute).unwrap(), burst_seconds)
    }

    #[test]
    fn a_burst_is_some_seconds_worth_and_at_least_ten() {
        assert_eq!(rate(6000, 15).burst(), 1500);
        assert_eq!(rate(6000, 15).interval_us(), 10_000);
        assert_eq!(rate(60, 15).burst(), 15);
        assert_eq!(rate(20, 15).burst(), 10);
        assert_eq!(rate(3, 15).burst(), 3);
        assert_eq!(rate(1, 1).capacity_us(), 60_000_000);
        assert_eq!(rate(MAX_PER_MINUTE, 60).interval_us(), 1);
    }

    #[test]
    fn shares_and_leases_of_a_fleet_stay_within_the_whole() {
        for edges in 1..50 {
            for rate in [rate(6000, 15), rate(60, 15), rate(7, 60)] {
                let share = rate.share(edges);
                assert_eq!(share.interval_us(), rate.interval_us() * edges);
                assert!(share.burst() * edges <= rate.burst().max(edges));
                assert!(rate.lease(edges) * edges <= (rate.burst() / 16).max(edges));
                assert!(share.spare() * edges <= (rate.burst() / 5).max(edges));
            }
        }
    }

    /// A bucket as one would draw it: tokens, and a drop of a token in each
    /// microsecond.
    struct Model {
        drops: u64,
    }

    impl Model {
        fn pass(&mut self, rate: Rate, time_us: u64) {
            for _ in 0..time_us {
                if self.drops < rate.burst * rate.interval_us {
                    self.drops += 1;
                }
            }
        }

        fn take(&mut self, rate: Rate, want: u64) -> u64 {
            let mut granted = 0;
            while granted < want && self.drops >= rate.interval_us {
                self.drops -= rate.interval_us;
                granted += 1;
            }
            granted
        }
    }

    proptest! {
        #[test]
        fn it_decides_as_a_bucket_of_tokens_does(
            interval_us in 1_u64..50,
            burst in 1_u64..20,
            steps in prop::collection::vec((0_u64..200, 1_u64..8), 1..60),
        ) {
            let rate = Rate { interval_us, burst };
            let mut model = Model { drops: rate.capacity_us() };
            let mut used_us = 0_u64;
            for (time_us, want) in steps {
                used_us = used_us.saturating_sub(time_us);
                model.pass(rate, time_us);
                prop_assert_eq!(rate.left(used_us), model.drops / interval_us);
                let taken = rate.take(used_us, want);
                prop_assert_eq!(taken.granted, model.take(rate, want));
                used_us = taken.used_us;

                let wait_us = rate.wait_us(used_us);
                let later = rate.left(used_us.saturating_sub(wait_us));
                if used_us > 0 {
                    prop_assert!(later > rate.left(used_us));
                    let sooner = used_us.saturating_sub(wait_us - 1);
                    prop_assert_eq!(rate.left(sooner), rate.left(used_us));
                } else {
                    prop_assert_eq!(wait_us, 0);
                }
            }
        }
    }
}
