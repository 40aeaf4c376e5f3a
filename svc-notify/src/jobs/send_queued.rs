//! Sends what is queued, and tries again what could not be sent.

use std::sync::Arc;

use svc_kit::{
    batcher::{BatchLimits, Batcher},
    fault::{self, Point},
    job::{Job, Progress},
    telemetry,
};
use tokio::task::JoinSet;
use tracing::{Instrument as _, field::Empty};

use crate::{
    app::App,
    delivery::DeliveryId,
    error::Error,
    send_delivery::{CLAIMED_TOGETHER, begin, conclude_failed, conclude_sent, send},
    store::deliveries::Claimed,
};

/// How many messages that have left are written down by one statement, how many
/// such statements there are at once, and how many messages may wait for one:
/// more than are sent at once.
const CONCLUDING: BatchLimits = BatchLimits {
    batch: 128,
    at_once: 1,
    waiting: 1024,
};

/// One worker; a step is some deliveries, each of which goes its own way: who
/// hangs or fails holds up none of the others. Clones conclude together.
#[derive(Clone)]
pub struct SendQueued {
    app: App,
    sent: Batcher<DeliveryId, Result<(), Arc<Error>>>,
}

impl SendQueued {
    /// For this service.
    pub fn new(app: App) -> Self {
        let ours = app.clone();
        let sent = Batcher::new(CONCLUDING, move |ids: Vec<DeliveryId>| {
            let app = ours.clone();
            Box::pin(async move {
                let concluded = conclude_sent(&app, &ids).await.map_err(Arc::new);
                vec![concluded; ids.len()]
            })
        });
        Self { app, sent }
    }

    async fn deliver(&self, claimed: Claimed) -> anyhow::Result<()> {
        fault::passed(Point::MailBeforeSend);
        let outcome = send(&self.app, &claimed).await;
        fault::passed(Point::MailAfterSend);
        if let Err(error) = outcome {
            conclude_failed(&self.app, &claimed, &error).await?;
            return Ok(());
        }
        self.sent.submit(claimed.id).await??;
        let template = claimed.notice.template().as_str();
        tracing::info!(template, attempt = claimed.attempt, "sent");
        Ok(())
    }
}

impl Job for SendQueued {
    const NAME: &'static str = "notify-send-queued";

    async fn step(&self) -> anyhow::Result<Progress> {
        let claimed = begin(&self.app).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        if claimed.len() == CLAIMED_TOGETHER as usize {
            // There may be more: a colleague looks while we send.
            self.app.due.notify_one();
        }
        let mut deliveries = JoinSet::new();
        for claimed in claimed {
            let span = tracing::info_span!(
                "notify.send",
                trace_id = Empty,
                delivery_id = %claimed.id,
                account_id = %claimed.contact.account_id,
                order_id = claimed.notice.order_id().map(tracing::field::display),
            );
            telemetry::continue_trace(&span, claimed.trace_parent.as_deref());
            let worker = self.clone();
            deliveries.spawn(async move { worker.deliver(claimed).await }.instrument(span));
        }
        let mut outcome = Ok(Progress::More);
        while let Some(ended) = deliveries.join_next().await {
            if let Err(error) = ended.map_err(Into::into).flatten() {
                outcome = Err(error);
            }
        }
        outcome
    }
}
