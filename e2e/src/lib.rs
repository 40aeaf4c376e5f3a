//! What the journeys share: a shop of real processes, and people who use it.
//!
//! Everything here talks to the shop as its users do: through the edge, by the
//! generated clients. Only mails and logs are looked at behind its back.

pub mod money;
pub mod person;
pub mod shop;
pub mod wait;

pub use souk::wire;

use std::sync::LazyLock;

use tokio::runtime::Runtime;

/// One runtime for all journeys of a test binary: the shared shop lives in it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::expect_used, reason = "without a runtime there is no test")]
    Runtime::new().expect("a runtime")
});

/// Runs one journey to its end.
pub fn journey<F: Future>(journey: F) -> F::Output {
    RUNTIME.block_on(journey)
}
