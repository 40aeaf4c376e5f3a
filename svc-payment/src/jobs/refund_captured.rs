//! Gives back what was captured and is not wanted, or not wanted whole.

use svc_kit::{
    fault::{self, Point},
    job::{Job, Progress},
    telemetry,
};
use tracing::{Instrument as _, field::Empty};

use crate::{
    app::App,
    refund_payment::{ask, begin, conclude},
};

/// One worker; a step is one refund.
#[derive(Debug, Clone)]
pub struct RefundCaptured {
    /// This service.
    pub app: App,
}

impl Job for RefundCaptured {
    const NAME: &'static str = "payment-refund-captured";

    async fn step(&self) -> anyhow::Result<Progress> {
        let Some(claimed) = begin(&self.app).await? else {
            return Ok(Progress::Idle);
        };
        // There may be another one: a colleague looks while we wait.
        self.app.due.refunds.notify_one();
        let span = tracing::info_span!(
            "payment.refund",
            trace_id = Empty,
            order_id = %claimed.refund.order_id,
            refund_id = %claimed.refund.id,
        );
        telemetry::continue_trace(&span, claimed.trace_parent.as_deref());
        async {
            fault::passed(Point::RefundBeforeProvider);
            let answer = ask(&self.app, &claimed).await;
            fault::passed(Point::RefundAfterProvider);
            conclude(&self.app, &claimed, answer).await?;
            fault::passed(Point::RefundAfterConclude);
            anyhow::Ok(())
        }
        .instrument(span)
        .await?;
        Ok(Progress::More)
    }
}
