//! A rule over time: how many orders an account asks for within an hour.

use futures::future::BoxFuture;
use svc_kit::clock::Clock;

use super::{Reason, Screen, ScreenError, Screening, Verdict};
use crate::store::velocity::Velocities;

/// The rule. A repeat of a request counts once.
pub struct VelocityRule {
    requests: Velocities,
    per_hour: u32,
    clock: Clock,
}

impl VelocityRule {
    /// People look at whatever comes after so many in an hour.
    pub fn new(requests: Velocities, per_hour: u32, clock: Clock) -> Self {
        Self {
            requests,
            per_hour,
            clock,
        }
    }
}

impl Screen for VelocityRule {
    fn name(&self) -> &'static str {
        "velocity"
    }

    fn screen<'a>(&'a self, asked: &'a Screening) -> BoxFuture<'a, Result<Verdict, ScreenError>> {
        Box::pin(async move {
            let counted = self
                .requests
                .count(asked.account_id, asked.request_id, self.clock.now())
                .await
                .map_err(|error| ScreenError::Away(error.into()))?;
            Ok(if counted > u64::from(self.per_hour) {
                Verdict::Review(vec![Reason::of("VELOCITY_HIGH")])
            } else {
                Verdict::Accept
            })
        })
    }
}
