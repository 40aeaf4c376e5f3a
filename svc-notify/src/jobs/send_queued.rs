//! Sends what is queued, and tries again what could not be sent.

use svc_kit::{
    fault::{self, Point},
    job::{Job, Progress},
    telemetry,
};
use tracing::{Instrument as _, field::Empty};

use crate::{
    app::App,
    send_delivery::{begin, conclude, send},
};

/// One worker; a step is one delivery.
#[derive(Debug, Clone)]
pub struct SendQueued {
    /// This service.
    pub app: App,
}

impl Job for SendQueued {
    const NAME: &'static str = "notify-send-queued";

    async fn step(&self) -> anyhow::Result<Progress> {
        let Some(claimed) = begin(&self.app).await? else {
            return Ok(Progress::Idle);
        };
        // There may be another one: a colleague looks while we send.
        self.app.due.notify_one();
        let span = tracing::info_span!(
            "notify.send",
            trace_id = Empty,
            delivery_id = %claimed.id,
            account_id = %claimed.contact.account_id,
            order_id = claimed.notice.order_id().map(tracing::field::display),
        );
        telemetry::continue_trace(&span, claimed.trace_parent.as_deref());
        async {
            fault::passed(Point::MailBeforeSend);
            let outcome = send(&self.app, &claimed).await;
            fault::passed(Point::MailAfterSend);
            conclude(&self.app, &claimed, outcome).await
        }
        .instrument(span)
        .await?;
        Ok(Progress::More)
    }
}
