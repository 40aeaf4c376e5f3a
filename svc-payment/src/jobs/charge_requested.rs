//! Charges what was requested, and finds out what became of charges whose
//! outcome is not known.

use svc_kit::{
    fault::{self, Point},
    job::{Job, Progress},
    telemetry,
};
use tracing::{Instrument as _, field::Empty};

use crate::{
    app::App,
    charge_payment::{ask, begin, conclude},
};

/// One worker; a step is one payment.
#[derive(Debug, Clone)]
pub struct ChargeRequested {
    /// This service.
    pub app: App,
}

impl Job for ChargeRequested {
    const NAME: &'static str = "payment-charge-requested";

    async fn step(&self) -> anyhow::Result<Progress> {
        let Some(claimed) = begin(&self.app).await? else {
            return Ok(Progress::Idle);
        };
        // There may be another one: a colleague looks while we wait.
        self.app.due.charges.notify_one();
        let span = tracing::info_span!(
            "payment.charge",
            trace_id = Empty,
            order_id = %claimed.payment.order_id,
            payment_id = %claimed.payment.id,
        );
        telemetry::continue_trace(&span, claimed.trace_parent.as_deref());
        async {
            fault::passed(Point::ChargeBeforeProvider);
            let answer = ask(&self.app, &claimed).await;
            fault::passed(Point::ChargeAfterProvider);
            conclude(&self.app, &claimed, answer).await?;
            fault::passed(Point::ChargeAfterConclude);
            anyhow::Ok(())
        }
        .instrument(span)
        .await?;
        Ok(Progress::More)
    }
}
