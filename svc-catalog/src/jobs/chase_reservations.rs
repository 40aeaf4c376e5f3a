//! Asks what became of orders whose reservations are held for too long.

use svc_kit::job::{Job, Progress};

use crate::{
    app::App,
    chase_reservations::{BATCH, chase_reservations},
};

/// A batch a step.
#[derive(Debug, Clone)]
pub struct ChaseReservations {
    /// What it works with.
    pub app: App,
}

impl Job for ChaseReservations {
    const NAME: &'static str = "catalog-chase-reservations";

    async fn step(&self) -> anyhow::Result<Progress> {
        let asked = i64::try_from(chase_reservations(&self.app).await?)?;
        Ok(if asked < BATCH {
            Progress::Idle
        } else {
            Progress::More
        })
    }
}
