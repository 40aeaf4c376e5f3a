//! Gives the money of a captured payment back, all of it and once, in the same
//! three steps as it was charged: record the attempt and commit; ask the
//! provider, outside of any transaction; record the outcome.

use std::time::Duration;

use proto::souk::event::v1 as event;
use sqlx::PgConnection;
use svc_kit::{id, outbox, telemetry};

use crate::{
    app::App,
    backoff,
    error::Error,
    ledger::Posting,
    payment::{NO_ATTEMPT, OrderId, Payment},
    provider::FoundRefund,
    refund::{Call, Next, Refund, RefundId, Status, When},
    store::{
        checkouts, ledger,
        payments::{self, Outcome},
        provider_calls::{self, CallKey},
        refunds::{self, Claimed},
    },
};

/// How long to wait after the provider has refused a refund: somebody has to
/// look at it first.
const AFTER_REFUSAL: Duration = Duration::from_mins(10);

/// Queues the refund of a captured payment, whose row must be held. A payment
/// that has one keeps it.
///
/// # Errors
/// When the database does not answer.
pub async fn request_refund(
    app: &App,
    tx: &mut PgConnection,
    payment: &Payment,
) -> Result<(), Error> {
    let refund = Refund {
        id: RefundId::generate(&app.clock),
        payment_id: payment.id,
        order_id: payment.order_id,
        status: Status::Requested,
        amount: payment.amount,
        attempts: 0,
    };
    let trace_parent = telemetry::current_traceparent();
    refunds::insert_once(tx, &refund, trace_parent.as_deref(), app.clock.now()).await?;
    Ok(())
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
        provider_calls::begin(&mut tx, key(claimed), claimed.call.as_str(), now).await?;
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
    provider_calls::end(&mut tx, key(claimed), answer.as_str(), now).await?;
    follow(app, &mut tx, &refund, claimed.refund.attempts, answer).await?;
    tx.commit().await?;
    Ok(())
}

/// Records what somebody has found out who did not claim the refund. That it was
/// made counts whoever brings it; nothing else does.
///
/// # Errors
/// When the database does not answer.
pub async fn learn(
    app: &App,
    order_id: OrderId,
    id: RefundId,
    found: FoundRefund,
) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    checkouts::lock(&mut tx, order_id, app.clock.now()).await?;
    let Some(refund) = refunds::lock(&mut tx, id).await? else {
        return Err(Error::NotFound);
    };
    follow(app, &mut tx, &refund, NO_ATTEMPT, found).await?;
    tx.commit().await?;
    Ok(())
}

/// What follows from the answer to an attempt. The refund's row must be held.
async fn follow(
    app: &App,
    tx: &mut PgConnection,
    refund: &Refund,
    attempt: u32,
    answer: FoundRefund,
) -> Result<(), Error> {
    let now = app.clock.now();
    match refund.answered(attempt, answer) {
        Next::Finish => finish(app, tx, refund).await?,
        Next::Ask(call, when) => {
            let pause = match when {
                When::Now => Duration::ZERO,
                When::AfterPause => backoff::pause(refund.attempts),
                When::AfterRefusal => {
                    tracing::error!(refund_id = %refund.id, "the provider refuses a refund");
                    AFTER_REFUSAL
                }
            };
            refunds::ask_again(tx, refund.id, call, now + pause).await?;
        }
        Next::Nothing => {}
    }
    Ok(())
}

async fn finish(app: &App, tx: &mut PgConnection, refund: &Refund) -> Result<(), Error> {
    let now = app.clock.now();
    refunds::finish(tx, refund.id, now).await?;
    payments::conclude(tx, refund.payment_id, Outcome::Refunded, now).await?;
    ledger::post(
        tx,
        id::generate(&app.clock),
        &Posting::of_refund(refund),
        now,
    )
    .await?;
    let refunded = event::PaymentRefunded {
        order_id: refund.order_id.to_string(),
        payment_id: refund.payment_id.to_string(),
        refund_id: refund.id.to_string(),
        amount: Some(refund.amount.into()),
        return_id: String::new(),
    };
    outbox::put(tx, &refunded, &app.clock).await?;
    tracing::info!("payment refunded");
    Ok(())
}

fn key(claimed: &Claimed) -> CallKey {
    CallKey {
        payment_id: claimed.refund.payment_id,
        refund_id: Some(claimed.refund.id),
        number: claimed.refund.attempts,
    }
}
