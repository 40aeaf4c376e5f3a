//! Charges a payment in three steps, of which any may be the last one before a
//! crash: record the attempt and commit; ask the provider, outside of any
//! transaction; record the outcome. A step that got lost is made up for by the
//! next attempt, which looks up before it charges again.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use svc_kit::id;

use crate::{
    announce_outcome::announce_outcome,
    app::App,
    backoff,
    error::Error,
    ledger::Posting,
    payment::{Call, NO_ATTEMPT, Next, OrderId, Payment, Status, When},
    provider::{Decline, FoundCharge, Receipt},
    refund::Cause,
    refund_payment::request_refund,
    store::{
        checkouts, ledger,
        payments::{self, Claimed, Outcome},
        provider_calls::{self, CallKey},
    },
};

/// Claims the payment that has been due for longest, and records the attempt.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App) -> Result<Option<Claimed>, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let choose = || app.providers.for_new_charge();
    let claimed = payments::claim_due(&mut tx, now, choose).await?;
    if let Some(claimed) = &claimed {
        provider_calls::begin(&mut tx, key(claimed), claimed.call.as_str(), now).await?;
    }
    tx.commit().await?;
    Ok(claimed)
}

/// Asks the payment's own provider. No answer in time is an unknown outcome.
pub async fn ask(app: &App, claimed: &Claimed) -> FoundCharge {
    let payment = &claimed.payment;
    let Some(watched) = app.providers.get(claimed.provider) else {
        return FoundCharge::Unknown;
    };
    let provider = watched.provider();
    let answer = async {
        match claimed.call {
            Call::Charge => provider
                .charge(payment.id, payment.amount, &claimed.token)
                .await
                .into(),
            Call::LookUp => provider.look_up(payment.id).await,
            Call::Capture => provider.capture(payment.id, payment.amount).await,
            Call::Void => provider.void(payment.id).await,
        }
    };
    watched.answer(claimed.call.as_str(), answer).await
}

/// Records what the provider has said, and what follows from it.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(app: &App, claimed: &Claimed, answer: FoundCharge) -> Result<(), Error> {
    let now = app.clock.now();
    let order_id = claimed.payment.order_id;
    let mut tx = app.db.begin().await?;
    let order_cancelled = checkouts::lock(&mut tx, order_id, now).await?;
    let Some(payment) = payments::lock_of_order(&mut tx, order_id).await? else {
        return Err(Error::NotFound);
    };
    provider_calls::end(&mut tx, key(claimed), answer.as_str(), now).await?;
    let attempt = claimed.payment.attempts;
    follow(app, &mut tx, &payment, attempt, answer, order_cancelled).await?;
    tx.commit().await?;
    Ok(())
}

/// Records what somebody has found out who did not claim the payment, and says
/// where it stood. Facts count whoever brings them; nothing else does.
///
/// # Errors
/// When the database does not answer.
pub async fn learn(app: &App, order_id: OrderId, found: FoundCharge) -> Result<Status, Error> {
    let mut tx = app.db.begin().await?;
    let order_cancelled = checkouts::lock(&mut tx, order_id, app.clock.now()).await?;
    let Some(payment) = payments::lock_of_order(&mut tx, order_id).await? else {
        return Err(Error::NotFound);
    };
    follow(app, &mut tx, &payment, NO_ATTEMPT, found, order_cancelled).await?;
    tx.commit().await?;
    Ok(payment.status)
}

/// What follows from the answer to an attempt. The payment's row must be held.
async fn follow(
    app: &App,
    tx: &mut PgConnection,
    payment: &Payment,
    attempt: u32,
    answer: FoundCharge,
    order_cancelled: bool,
) -> Result<(), Error> {
    let now = app.clock.now();
    if answer == FoundCharge::Authorized {
        payments::note_authorized(tx, payment.id, now).await?;
    }
    match payment.answered(attempt, answer, order_cancelled, now) {
        Next::Capture { receipt, refund } => {
            capture(app, tx, payment, receipt, refund).await?;
        }
        Next::Fail(decline) => fail(app, tx, payment, decline).await?,
        Next::Cancel => payments::conclude(tx, payment.id, Outcome::Cancelled, now).await?,
        Next::Ask(call, when) => {
            let due_time = due(when, payment.attempts, now);
            payments::ask_again(tx, payment.id, call, due_time).await?;
        }
        Next::Nothing => {}
    }
    Ok(())
}

async fn capture(
    app: &App,
    tx: &mut PgConnection,
    payment: &Payment,
    receipt: Receipt,
    refund: bool,
) -> Result<(), Error> {
    let now = app.clock.now();
    payments::conclude(tx, payment.id, Outcome::Captured, now).await?;
    for posting in Posting::of_capture(payment, receipt) {
        ledger::post(tx, id::generate(&app.clock), &posting, now).await?;
    }
    let captured = Payment {
        status: Status::Captured,
        ..payment.clone()
    };
    announce_outcome(app, tx, &captured).await?;
    if refund {
        request_refund(app, tx, payment, payment.amount, Cause::OrderCancelled).await?;
    }
    tracing::info!(refund, "payment captured");
    Ok(())
}

async fn fail(
    app: &App,
    tx: &mut PgConnection,
    payment: &Payment,
    decline: Decline,
) -> Result<(), Error> {
    payments::conclude(tx, payment.id, Outcome::Failed(decline), app.clock.now()).await?;
    let failed = Payment {
        status: Status::Failed,
        failure_reason: Some(decline.reason().to_owned()),
        ..payment.clone()
    };
    announce_outcome(app, tx, &failed).await?;
    tracing::info!(reason = decline.reason(), "payment failed");
    Ok(())
}

fn due(when: When, attempts: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    match when {
        When::Now => now,
        When::At(time) => time,
        When::AfterPause => now + backoff::pause(attempts),
    }
}

fn key(claimed: &Claimed) -> CallKey {
    CallKey {
        payment_id: claimed.payment.id,
        refund_id: None,
        number: claimed.payment.attempts,
    }
}
