//! Charges what was requested, and finds out what became of charges whose
//! outcome is not known.

use std::sync::Arc;

use svc_kit::{
    batcher::{BatchLimits, Batcher},
    fault::{self, Point},
    job::{Job, Progress},
    telemetry,
};
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{
    app::App,
    charge_payment::{Answered, CLAIMED_TOGETHER, ask, begin, conclude},
    error::Error,
    store::payments::Claimed,
};

/// How many payments are concluded in one transaction, how many such
/// transactions there are at once (so that one works while the other waits for
/// the disk), and how many payments may wait for one: more than are charged at
/// once.
const CONCLUDING: BatchLimits = BatchLimits {
    batch: 128,
    at_once: 2,
    waiting: 1024,
};

/// One worker; a step is some payments, each of which goes its own way: who
/// hangs or fails holds up none of the others. Clones conclude together.
#[derive(Clone)]
pub struct ChargeRequested {
    app: App,
    concluding: Batcher<Answered, Result<(), Arc<Error>>>,
}

impl ChargeRequested {
    /// For this service.
    pub fn new(app: App) -> Self {
        let ours = app.clone();
        let concluding = Batcher::new(CONCLUDING, move |answered: Vec<Answered>| {
            let app = ours.clone();
            Box::pin(async move { conclude(&app, &answered).await })
        });
        Self { app, concluding }
    }

    async fn charge(&self, claimed: Claimed) -> anyhow::Result<()> {
        fault::passed(Point::ChargeBeforeProvider);
        let answer = ask(&self.app, &claimed).await;
        fault::passed(Point::ChargeAfterProvider);
        let answered = Answered {
            claimed,
            answer,
            span: Span::current(),
        };
        self.concluding.submit(answered).await??;
        fault::passed(Point::ChargeAfterConclude);
        Ok(())
    }
}

impl Job for ChargeRequested {
    const NAME: &'static str = "payment-charge-requested";

    async fn step(&self) -> anyhow::Result<Progress> {
        let claimed = begin(&self.app).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        if claimed.len() == CLAIMED_TOGETHER as usize {
            // There may be more: a colleague looks while we wait.
            self.app.due.charges.notify_one();
        }
        let mut charges = JoinSet::new();
        for claimed in claimed {
            let span = tracing::info_span!(
                "payment.charge",
                trace_id = Empty,
                order_id = %claimed.payment.order_id,
                payment_id = %claimed.payment.id,
            );
            telemetry::continue_trace(&span, claimed.trace_parent.as_deref());
            let worker = self.clone();
            charges.spawn(async move { worker.charge(claimed).await }.instrument(span));
        }
        let mut failed = Ok(Progress::More);
        while let Some(ended) = charges.join_next().await {
            if let Err(error) = ended.map_err(Into::into).flatten() {
                failed = Err(error);
            }
        }
        failed
    }
}
