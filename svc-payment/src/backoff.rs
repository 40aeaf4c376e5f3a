//! How long to wait before the provider is asked again.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(250);

/// The longest pause.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// Beyond this many doublings the longest pause is reached.
const MAX_DOUBLINGS: u32 = 10;

/// The pause after so many attempts: doubling up to the longest, the upper half
/// of it by chance, so that those who failed together do not come back together.
pub(crate) fn pause(attempts: u32) -> Duration {
    let most = most(attempts);
    most / 2 + svc_kit::random::jitter(most / 2)
}

fn most(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(MAX_DOUBLINGS);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(most(1), FIRST);
        assert_eq!(most(3), FIRST * 4);
        assert_eq!(most(u32::MAX), LONGEST);
    }

    #[test]
    fn a_pause_is_never_less_than_half() {
        assert!((0..50).all(|attempts| pause(attempts) >= most(attempts) / 2));
    }
}
