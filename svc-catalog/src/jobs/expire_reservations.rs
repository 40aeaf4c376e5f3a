//! Gives up reservations that were held for too long.

use svc_kit::job::{Job, Progress};

use crate::{app::App, expire_reservations::expire_reservation};

/// One reservation a step.
#[derive(Debug, Clone)]
pub struct ExpireReservations {
    /// What it works with.
    pub app: App,
}

impl Job for ExpireReservations {
    const NAME: &'static str = "catalog-expire-reservations";

    async fn step(&self) -> anyhow::Result<Progress> {
        Ok(if expire_reservation(&self.app).await? {
            Progress::More
        } else {
            Progress::Idle
        })
    }
}
