//! Randomness. Nothing else in the project draws it.

use std::time::Duration;

use rand::RngExt as _;

/// `N` random bytes from a cryptographically secure generator, which is seeded
/// by the operating system.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill(&mut bytes[..]);
    bytes
}

/// A duration between nothing and `most`: full jitter, so that those who fail
/// together do not come back together.
pub fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random_range(0.0..=1.0))
}
