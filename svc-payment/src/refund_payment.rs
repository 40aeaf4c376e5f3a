//! Gives money of a captured payment back, all of it or a part, never more than
//! was captured. Whoever wants it queues a refund; it is done in the same three
//! steps as a charge: record the attempt and commit; ask the provider, outside
//! of any transaction; record the outcome.

use std::time::Duration;

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{
    error::StoreError,
    id,
    money::{Money, MoneyError},
    outbox, telemetry,
};

use crate::{
    app::App,
    backoff,
    error::Error,
    ledger::Posting,
    look_up_payment::look_up_payment,
    payment::{MayRefund, OrderId, Payment},
    provider::{FoundRefund, ProviderName},
    reconciliation::{DiscrepancyId, Finding},
    refund::{Call, Cause, Next, Refund, RefundId, StaffRequest, Status, When},
    store::{
        checkouts,
        discrepancies::{self, Source},
        ledger, payments,
        provider_calls::{self, CallKey},
        refunds::{self, Claimed},
    },
};

/// What staff ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundPayment {
    /// Of which order's payment.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Under which request, and why.
    pub request: StaffRequest,
}

impl RefundPayment {
    /// Whether a refund is what this asks for, whoever of the staff asks.
    fn is_for(&self, refund: &Refund) -> bool {
        let same_reason = |first: &StaffRequest| first.reason == self.request.reason;
        (refund.order_id, refund.amount) == (self.order_id, self.amount)
            && refund.cause.staff().is_some_and(same_reason)
    }
}

/// Gives some of a captured payment back because staff say so, once for each
/// request id; a repeat gets the refund as it is now.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NotCaptured`], [`Error::RefundTooLarge`],
/// [`Error::RequestIdReused`].
pub async fn refund_payment(app: &App, command: RefundPayment) -> Result<Refund, Error> {
    // An order that has no payment is none that this service should hear of.
    look_up_payment(app, command.order_id).await?;

    let now = app.clock.now();
    let request_id = command.request.request_id;
    let mut tx = app.db.begin().await?;
    checkouts::lock(&mut tx, command.order_id, now).await?;
    let Some(payment) = payments::lock_of_order(&mut tx, command.order_id).await? else {
        return Err(Error::NotFound);
    };
    if let Some(earlier) = refunds::of_request(&mut tx, request_id).await? {
        return if command.is_for(&earlier) {
            Ok(earlier)
        } else {
            Err(Error::RequestIdReused)
        };
    }
    match payment.may_refund(command.amount) {
        MayRefund::Yes => {}
        MayRefund::NotYet => return Err(Error::NotCaptured),
        MayRefund::AtMost(left) => return Err(Error::RefundTooLarge(left)),
    }
    let cause = Cause::Staff(command.request);
    let Some(refund) = request_refund(app, &mut tx, &payment, command.amount, cause).await? else {
        // The same id, at the same moment, for another order.
        return Err(Error::RequestIdReused);
    };
    tx.commit().await?;
    Ok(refund)
}

/// Queues a refund of a captured payment, whose row must be held. None if its
/// return or its request has one already.
///
/// # Errors
/// When the database does not answer, or refuses to give back more than was
/// captured.
pub async fn request_refund(
    app: &App,
    tx: &mut PgConnection,
    payment: &Payment,
    amount: Money,
    cause: Cause,
) -> Result<Option<Refund>, Error> {
    let now = app.clock.now();
    let refund = Refund {
        id: RefundId::generate(&app.clock),
        payment_id: payment.id,
        order_id: payment.order_id,
        status: Status::Requested,
        cause,
        amount,
        attempts: 0,
        create_time: now,
        update_time: now,
    };
    let trace_parent = telemetry::current_traceparent();
    if !refunds::insert_once(tx, &refund, trace_parent.as_deref()).await? {
        return Ok(None);
    }
    tracing::info!(
        order_id = %refund.order_id,
        refund_id = %refund.id,
        cause = refund.cause.as_str(),
        "refund requested"
    );
    Ok(Some(refund))
}

/// Claims the refund that has been due for longest, and records the attempt.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App) -> Result<Option<Claimed>, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let claimed = refunds::claim_due(&mut tx, now).await?;
    if let Some(claimed) = &claimed {
        let call = (key(claimed), claimed.call.as_str());
        provider_calls::begin(&mut tx, &[call], now).await?;
    }
    tx.commit().await?;
    Ok(claimed)
}

/// Asks the provider of its payment. No answer in time is an unknown outcome.
pub async fn ask(app: &App, claimed: &Claimed) -> FoundRefund {
    let refund = &claimed.refund;
    let Some(watched) = app.providers.get(claimed.provider) else {
        return FoundRefund::Unknown;
    };
    let provider = watched.provider();
    let answer = async {
        match claimed.call {
            Call::Refund => provider
                .refund(refund.id, refund.payment_id, refund.amount)
                .await
                .into(),
            Call::LookUp => provider.look_up_refund(refund.id).await,
        }
    };
    let call = match claimed.call {
        Call::Refund => "refund",
        Call::LookUp => "look_up_refund",
    };
    watched.answer(call, answer).await
}

/// Records what the provider has said, and what follows from it.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(app: &App, claimed: &Claimed, answer: FoundRefund) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    checkouts::lock(&mut tx, claimed.refund.order_id, now).await?;
    let Some(refund) = refunds::lock(&mut tx, claimed.refund.id).await? else {
        return Err(Error::NotFound);
    };
    provider_calls::end(&mut tx, &[(key(claimed), answer.as_str())], now).await?;
    let next = refund.answered(claimed.refund.attempts, answer);
    follow(app, &mut tx, claimed.provider, &refund, next).await?;
    tx.commit().await?;
    Ok(())
}

/// Records what its provider says who was asked by somebody who did not claim
/// the refund, and had read it as `seen` before. That it was made counts, and
/// that it failed afterwards; nothing else does.
///
/// # Errors
/// When the database does not answer.
pub async fn learn(
    app: &App,
    provider: ProviderName,
    seen: &Refund,
    found: FoundRefund,
) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    checkouts::lock(&mut tx, seen.order_id, app.clock.now()).await?;
    let Some(refund) = refunds::lock(&mut tx, seen.id).await? else {
        return Err(Error::NotFound);
    };
    let next = refund.looked_up(seen, found);
    follow(app, &mut tx, provider, &refund, next).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes what follows from an answer. The refund's row must be held.
async fn follow(
    app: &App,
    tx: &mut PgConnection,
    provider: ProviderName,
    refund: &Refund,
    next: Next,
) -> Result<(), Error> {
    let now = app.clock.now();
    match next {
        Next::Finish => finish(app, tx, refund).await?,
        Next::Reverse => reverse(app, tx, provider, refund).await?,
        Next::Refuse => {
            tracing::error!(refund_id = %refund.id, "the provider refuses a refund");
            refunds::refuse(tx, refund.id, now).await?;
        }
        Next::Ask(call, when) => {
            let pause = match when {
                When::Now => Duration::ZERO,
                When::AfterPause => backoff::pause(refund.attempts),
            };
            refunds::ask_again(tx, refund.id, call, now + pause).await?;
        }
        Next::Nothing => {}
    }
    Ok(())
}

async fn finish(app: &App, tx: &mut PgConnection, refund: &Refund) -> Result<(), Error> {
    let now = app.clock.now();
    let Some(mut payment) = payments::lock_of_order(tx, refund.order_id).await? else {
        return Err(Error::NotFound);
    };
    payment.gave_back(refund.amount).map_err(other_currency)?;
    refunds::finish(tx, refund.id, now).await?;
    payments::note_refunded(tx, &payment, now).await?;
    let reversals = ledger::reversals(tx, refund.id).await?;
    let posting = Posting::of_refund(refund, reversals);
    ledger::post(tx, &[(id::generate(&app.clock), posting)], now).await?;
    let refunded = event::PaymentRefunded {
        order_id: refund.order_id.to_string(),
        payment_id: refund.payment_id.to_string(),
        refund_id: refund.id.to_string(),
        amount: Some(refund.amount.into()),
        return_id: refund
            .cause
            .return_id()
            .map(|id| id.to_string())
            .unwrap_or_default(),
    };
    outbox::put(tx, &refunded, &app.clock).await?;
    tracing::info!("payment refunded");
    Ok(())
}

/// Writes that the money is with us again. svc-order is told nothing: whether it
/// is given once more, or otherwise, staff decide.
async fn reverse(
    app: &App,
    tx: &mut PgConnection,
    provider: ProviderName,
    refund: &Refund,
) -> Result<(), Error> {
    tracing::error!(
        refund_id = %refund.id,
        order_id = %refund.order_id,
        "a refund that the provider called made has failed"
    );
    let now = app.clock.now();
    let Some(mut payment) = payments::lock_of_order(tx, refund.order_id).await? else {
        return Err(Error::NotFound);
    };
    payment.got_again(refund.amount).map_err(other_currency)?;
    refunds::refuse(tx, refund.id, now).await?;
    payments::note_refunded(tx, &payment, now).await?;
    let reversals = ledger::reversals(tx, refund.id).await?;
    let posting = Posting::of_reversal(refund, reversals);
    ledger::post(tx, &[(id::generate(&app.clock), posting)], now).await?;
    let source = Source::Reversal(posting.number);
    let finding = Finding::of_reversal(refund, now);
    let discrepancy_id = DiscrepancyId::generate(&app.clock);
    discrepancies::put(tx, discrepancy_id, provider, source, &finding, now).await?;
    Ok(())
}

fn other_currency(why: MoneyError) -> StoreError {
    StoreError::Corrupt {
        table: "refunds",
        why: why.to_string(),
    }
}

fn key(claimed: &Claimed) -> CallKey {
    CallKey {
        payment_id: claimed.refund.payment_id,
        refund_id: Some(claimed.refund.id),
        number: claimed.refund.attempts,
    }
}
