//! Stops asking a server that does not answer, and looks now and then whether
//! it is back.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A circuit breaker: closed while all is well, open after some failures in a
/// row, and let through once after a pause.
#[derive(Debug)]
pub struct Breaker {
    trip_after: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Opens after so many failures in a row, for so long.
    pub fn new(trip_after: u32, pause: Duration) -> Self {
        Self {
            trip_after,
            pause,
            state: Mutex::default(),
        }
    }

    /// Whether to ask. After the pause one caller may; the others wait for what
    /// it finds, or for another pause.
    pub fn admits(&self) -> bool {
        let mut state = self.state();
        match state.open_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                state.open_until = Some(Instant::now() + self.pause);
                true
            }
        }
    }

    /// Whether somebody should be asked instead. Unlike [`Self::admits`] it lets
    /// nobody through.
    pub fn is_open(&self) -> bool {
        self.state().open_until.is_some()
    }

    /// It answered.
    pub fn succeeded(&self) {
        *self.state() = State::default();
    }

    /// It did not. True when that opened the breaker.
    pub fn failed(&self) -> bool {
        let mut state = self.state();
        state.failures += 1;
        let trips = state.failures >= self.trip_after;
        let opens = trips && state.open_until.is_none();
        if trips {
            state.open_until = Some(Instant::now() + self.pause);
        }
        opens
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_and_lets_one_through_after_the_pause() {
        let breaker = Breaker::new(2, Duration::from_secs(10));
        assert!(!breaker.failed());
        assert!(breaker.admits());
        assert!(breaker.failed());
        assert!(!breaker.admits());
        assert!(breaker.is_open());

        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(breaker.admits());
        assert!(!breaker.admits());

        breaker.succeeded();
        assert!(!breaker.is_open());
        assert!(breaker.admits());
        assert!(!breaker.failed());
    }
}
