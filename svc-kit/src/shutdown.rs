//! The wish to stop, told to everybody at once.

use tokio_util::sync::CancellationToken;

/// Told once; clones hear it too.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Nobody has asked to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns when somebody asks to stop.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// Somebody has asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Asks to stop.
    pub fn stop(&self) {
        self.0.cancel();
    }
}
