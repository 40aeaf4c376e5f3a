//! What this edge knows of one caller's bucket: what it may give away without
//! asking, what Redis last said, and, while Redis is away, its own count.
//!
//! Times are microseconds on this edge's clock; see [`super::Limits`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::rate::{Rate, Taken};

/// A bucket.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Taken from the shared count ahead of need, and not used yet.
    leased: u64,
    /// How many are taken ahead of need.
    lease: u64,
    /// Somebody asks Redis for more of them.
    leasing: bool,
    /// When all that was taken will have flowed off, as far as we know.
    free_at_us: u64,
    /// There was none, and will be none before this.
    empty_until_us: u64,
}

/// The right to ask for a lease: one at a time for each bucket, so that an edge
/// never holds more than one lease of it.
#[derive(Debug)]
pub struct Leasing(Arc<Bucket>);

impl Drop for Leasing {
    fn drop(&mut self) {
        self.0.state().leasing = false;
    }
}

impl Bucket {
    /// Takes one that was leased, if there is one.
    pub fn take_leased(&self) -> bool {
        let mut state = self.state();
        let there_is = state.leased > 0;
        state.leased -= u64::from(there_is);
        there_is
    }

    /// Keeps some that were taken from the shared count.
    pub fn keep(&self, count: u64) {
        self.state().leased += count;
    }

    /// How long it is known to be empty.
    pub fn empty_for(&self, now_us: u64) -> Option<Duration> {
        let state = self.state();
        (state.leased == 0 && state.empty_until_us > now_us)
            .then(|| Duration::from_micros(state.empty_until_us - now_us))
    }

    /// How many to ask for when one is needed now, and none is leased.
    pub fn want(self: &Arc<Self>, lease: u64) -> (u64, Option<Leasing>) {
        let mut state = self.state();
        state.lease = lease;
        if lease <= 1 || state.leasing {
            return (1, None);
        }
        state.leasing = true;
        (lease, Some(Leasing(Arc::clone(self))))
    }

    /// How many to ask for ahead of need: when less than half a lease is left,
    /// and there may be more.
    pub fn want_ahead(self: &Arc<Self>, now_us: u64) -> Option<(u64, Leasing)> {
        let mut state = self.state();
        if state.leasing || state.leased * 2 >= state.lease || state.empty_until_us > now_us {
            return None;
        }
        state.leasing = true;
        Some((state.lease - state.leased, Leasing(Arc::clone(self))))
    }

    /// Notes what Redis said to a question that was sent at `asked_us`.
    pub fn learn(&self, rate: Rate, taken: Taken, asked_us: u64) {
        let mut state = self.state();
        state.free_at_us = state.free_at_us.max(asked_us + taken.used_us);
        if taken.granted == 0 {
            state.empty_until_us = asked_us + rate.wait_us(taken.used_us);
        }
    }

    /// Takes one from this edge's own count. `cautious_us`: when all that may
    /// have been counted elsewhere will have flowed off.
    ///
    /// # Errors
    /// When there is none; how long until there is.
    pub fn take_local(&self, rate: Rate, now_us: u64, cautious_us: u64) -> Result<(), Duration> {
        let mut state = self.state();
        let used_us = state.free_at_us.max(cautious_us).saturating_sub(now_us);
        let taken = rate.take(used_us, 1);
        if taken.granted == 0 {
            let wait_us = rate.wait_us(used_us);
            state.empty_until_us = now_us + wait_us;
            return Err(Duration::from_micros(wait_us));
        }
        state.free_at_us = now_us + taken.used_us;
        Ok(())
    }

    /// Puts back what [`Self::take_local`] took.
    pub fn return_local(&self, rate: Rate) {
        let mut state = self.state();
        state.free_at_us = state.free_at_us.saturating_sub(rate.interval_us());
    }

    /// How many are left, and how long until there is one more, as far as we
    /// know.
    pub fn left(&self, rate: Rate, now_us: u64) -> (u64, Duration) {
        let state = self.state();
        let used_us = state.free_at_us.saturating_sub(now_us);
        let left = rate.left(used_us).saturating_add(state.leased);
        (
            left.min(rate.burst()),
            Duration::from_micros(rate.wait_us(used_us)),
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// One a second, ten at once.
    fn rate() -> Rate {
        Rate::per_minute(NonZeroU32::new(60).unwrap(), 10)
    }

    const SECOND_US: u64 = 1_000_000;
    const NOW_US: u64 = 1000 * SECOND_US;

    #[test]
    fn one_at_a_time_asks_for_a_lease_and_it_is_renewed_before_it_ends() {
        let bucket = Arc::new(Bucket::default());
        assert!(!bucket.take_leased());
        let (want, leasing) = bucket.want(8);
        assert_eq!(want, 8);
        assert_eq!(bucket.want(8).0, 1, "the others take what they need");
        bucket.keep(7);
        drop(leasing);
        for _ in 0..3 {
            assert!(bucket.take_leased());
        }
        assert!(bucket.want_ahead(NOW_US).is_none(), "half is left");
        assert!(bucket.take_leased());
        let (want, _leasing) = bucket.want_ahead(NOW_US).unwrap();
        assert_eq!(want, 5, "it never holds more than one lease");
        assert!(bucket.want_ahead(NOW_US).is_none(), "somebody asks already");
    }

    #[test]
    fn that_it_is_empty_is_remembered_until_it_fills() {
        let bucket = Arc::new(Bucket::default());
        assert_eq!(bucket.empty_for(NOW_US), None);
        let taken = Taken {
            granted: 0,
            used_us: 10 * SECOND_US,
        };
        bucket.learn(rate(), taken, NOW_US);
        assert_eq!(bucket.empty_for(NOW_US), Some(Duration::from_secs(1)));
        assert_eq!(bucket.empty_for(NOW_US + SECOND_US), None);
        bucket.keep(1);
        assert_eq!(bucket.empty_for(NOW_US), None, "a lease is left");
    }

    #[test]
    fn its_own_count_goes_on_from_what_redis_said_and_with_caution() {
        let bucket = Bucket::default();
        let nothing_us = 0;
        for _ in 0..10 {
            assert_eq!(bucket.take_local(rate(), NOW_US, nothing_us), Ok(()));
        }
        let wait = bucket.take_local(rate(), NOW_US, nothing_us).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        bucket.return_local(rate());
        assert_eq!(bucket.take_local(rate(), NOW_US, nothing_us), Ok(()));

        let cautious_us = NOW_US + rate().caution_us();
        let fresh = Bucket::default();
        for _ in 0..rate().spare() {
            assert_eq!(fresh.take_local(rate(), NOW_US, cautious_us), Ok(()));
        }
        assert!(fresh.take_local(rate(), NOW_US, cautious_us).is_err());

        let told = Bucket::default();
        let taken = Taken {
            granted: 1,
            used_us: 9 * SECOND_US,
        };
        told.learn(rate(), taken, NOW_US);
        assert_eq!(told.left(rate(), NOW_US), (1, Duration::from_secs(1)));
        assert_eq!(told.take_local(rate(), NOW_US, nothing_us), Ok(()));
        assert!(told.take_local(rate(), NOW_US, nothing_us).is_err());
    }
}
