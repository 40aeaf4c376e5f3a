//! Remembers that Redis did not answer, so that not every caller waits for it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long nobody asks after a failure.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Away(Mutex<Option<Instant>>);

impl Away {
    /// Whether it is worth asking.
    pub(super) fn worth_asking(&self) -> bool {
        self.until().is_none_or(|until| Instant::now() >= until)
    }

    /// Notes an answer, or that there was none.
    pub(super) fn note(&self, answered: bool) {
        let until = (!answered).then(|| Instant::now() + PAUSE);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
