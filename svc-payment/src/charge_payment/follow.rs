//! What follows from answers about payments: decided one by one, and written
//! together.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::{id, outbox};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::{
    announce_outcome::announce_outcome,
    app::App,
    backoff,
    error::Error,
    ledger::Posting,
    payment::{Next, Payment, PaymentId, Status, When},
    provider::{Decline, FoundCharge, Receipt},
    refund::Cause,
    refund_payment::request_refund,
    store::{
        ledger,
        payments::{self, Again, Outcome},
    },
};

/// What is to be written of payments. Their rows must be held, and each payment
/// is there once.
#[must_use = "nothing follows before it is written"]
pub(super) struct Following<'a> {
    app: &'a App,
    now: DateTime<Utc>,
    authorized: Vec<PaymentId>,
    again: Vec<Again>,
    outcomes: Vec<(PaymentId, Outcome)>,
    postings: Vec<(Uuid, Posting)>,
    announced: outbox::Batch<'a>,
    /// Captured, and wanted by nobody; each with the span that it belongs to.
    unwanted: Vec<(Payment, Span)>,
}

impl<'a> Following<'a> {
    /// Nothing yet.
    pub(super) fn new(app: &'a App) -> Self {
        Self {
            app,
            now: app.clock.now(),
            authorized: Vec::new(),
            again: Vec::new(),
            outcomes: Vec::new(),
            postings: Vec::new(),
            announced: outbox::Batch::new(&app.clock),
            unwanted: Vec::new(),
        }
    }

    /// Adds what follows from the answer to this attempt. It belongs to the
    /// current span.
    pub(super) fn add(
        &mut self,
        payment: Payment,
        attempt: u32,
        answer: FoundCharge,
        order_cancelled: bool,
    ) -> Result<(), Error> {
        if answer == FoundCharge::Authorized {
            self.authorized.push(payment.id);
        }
        match payment.answered(attempt, answer, order_cancelled, self.now) {
            Next::Capture { receipt, refund } => self.capture(payment, receipt, refund)?,
            Next::Fail(decline) => self.fail(payment, decline)?,
            Next::Cancel => self.outcomes.push((payment.id, Outcome::Cancelled)),
            Next::Ask(call, when) => self.again.push(Again {
                id: payment.id,
                call,
                due_time: due(when, payment.attempts, self.now),
            }),
            Next::Nothing => {}
        }
        Ok(())
    }

    fn capture(
        &mut self,
        mut payment: Payment,
        receipt: Receipt,
        refund: bool,
    ) -> Result<(), Error> {
        self.outcomes.push((payment.id, Outcome::Captured));
        for posting in Posting::of_capture(&payment, receipt) {
            self.postings.push((id::generate(&self.app.clock), posting));
        }
        payment.status = Status::Captured;
        announce_outcome(&mut self.announced, &payment)?;
        tracing::info!(refund, "payment captured");
        if refund {
            self.unwanted.push((payment, Span::current()));
        }
        Ok(())
    }

    fn fail(&mut self, mut payment: Payment, decline: Decline) -> Result<(), Error> {
        let reason = decline.reason();
        self.outcomes.push((payment.id, Outcome::Failed(decline)));
        payment.status = Status::Failed;
        payment.failure_reason = Some(reason.to_owned());
        announce_outcome(&mut self.announced, &payment)?;
        tracing::info!(reason, "payment failed");
        Ok(())
    }

    /// Writes it, a statement for each kind of thing.
    pub(super) async fn write(self, tx: &mut PgConnection) -> Result<(), Error> {
        if !self.authorized.is_empty() {
            payments::note_authorized(tx, &self.authorized, self.now).await?;
        }
        if !self.again.is_empty() {
            payments::ask_again(tx, &self.again).await?;
        }
        if !self.outcomes.is_empty() {
            payments::conclude(tx, &self.outcomes, self.now).await?;
        }
        if !self.postings.is_empty() {
            ledger::post(tx, &self.postings, self.now).await?;
        }
        for (payment, span) in &self.unwanted {
            let amount = payment.amount;
            request_refund(self.app, tx, payment, amount, Cause::OrderCancelled)
                .instrument(span.clone())
                .await?;
        }
        self.announced.put(tx).await?;
        Ok(())
    }
}

fn due(when: When, attempts: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    match when {
        When::Now => now,
        When::At(time) => time,
        When::AfterPause => now + backoff::pause(attempts),
    }
}
