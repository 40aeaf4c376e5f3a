//! Waiting for what must happen: for a condition, with a deadline.

use std::{
    fmt::{Debug, Display},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The longest that anything in a journey is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something, and returns it.
///
/// # Panics
/// When there is still nothing after [`PATIENCE`].
pub async fn eventually<T, F>(what: impl Display, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(PATIENCE, what, look).await
}

/// Looks until there is something, for as long as `patience`.
///
/// # Panics
/// When there is still nothing then.
pub async fn within<T, F>(patience: Duration, what: impl Display, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < until,
            "waited {patience:?} in vain for {what}"
        );
        sleep(PAUSE).await;
    }
}

/// Looks until it is what it must be, for as long as `patience`.
///
/// # Panics
/// When it is something else then; it says what.
pub async fn until_it_is<T, F>(
    patience: Duration,
    what: impl Display,
    expected: &T,
    mut look: impl FnMut() -> F,
) where
    T: PartialEq + Debug,
    F: Future<Output = T>,
{
    let until = Instant::now() + patience;
    loop {
        let found = look().await;
        if found == *expected {
            return;
        }
        assert!(
            Instant::now() < until,
            "{what}: {found:?} and not {expected:?} after {patience:?}"
        );
        sleep(PAUSE).await;
    }
}
