//! How long a call may take: the caller's `grpc-timeout`, capped by the
//! method's policy.

use std::time::{Duration, Instant};

use http::HeaderMap;

/// The header of gRPC.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Reads `grpc-timeout`; one that makes no sense counts as absent.
pub fn requested(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    svc_kit::deadline::parse(value)
}

/// The moment at which a call must have been answered; a stream may have none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The sooner of both, counted from `start`.
    pub fn new(start: Instant, requested: Option<Duration>, cap: Option<Duration>) -> Self {
        let allowed = match (requested, cap) {
            (Some(requested), Some(cap)) => Some(requested.min(cap)),
            (one, other) => one.or(other),
        };
        Self(allowed.and_then(|allowed| start.checked_add(allowed)))
    }

    /// What is left; `None` when there is no end.
    pub fn left(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// What is left, but at most so much.
    pub fn left_of(self, most: Duration) -> Duration {
        self.left().map_or(most, |left| left.min(most))
    }

    /// Whether it passed, and so much more time with it.
    pub fn passed_by(self, grace: Duration) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end + grace)
    }

    /// Whether nothing is left.
    pub fn passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_caps_what_is_requested() {
        let start = Instant::now();
        let left = |requested, cap| Deadline::new(start, requested, cap).left();
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(100));
        assert!(left(Some(long), Some(short)).unwrap() <= short);
        assert!(left(Some(short), Some(long)).unwrap() <= short);
        assert!(left(None, Some(short)).unwrap() <= short);
        assert_eq!(left(None, None), None);
        let over = Deadline::new(start, Some(Duration::ZERO), None);
        assert!(over.passed() && over.passed_by(Duration::ZERO) && !over.passed_by(long));
        assert!(!Deadline::default().passed_by(Duration::ZERO));
    }
}
