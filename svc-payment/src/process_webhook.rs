//! Looks into what a provider has told us. An event is a hint and nothing more:
//! what it is about is asked of the provider, and the answer goes the way of all
//! answers. So neither order nor number of events matters.

use std::sync::LazyLock;

use prometheus::IntCounterVec;
use svc_kit::metrics;

use crate::{
    app::App,
    backoff,
    error::Error,
    payment::PaymentId,
    provider::{ProviderName, stripe},
    refresh_payment::{refresh_charge, refresh_refund},
    refund::RefundId,
    store::{
        payments, refunds,
        webhook_events::{self, Claimed},
    },
    webhook::{Hint, State},
};

static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "payment_webhook_events_total",
        "Webhook events that were looked into, by provider and state.",
        &["provider", "state"],
    )
});

/// Claims the event that has been due for longest.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App) -> Result<Option<Claimed>, Error> {
    let mut tx = app.db.begin().await?;
    let claimed = webhook_events::claim_due(&mut tx, app.clock.now()).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Asks the provider what the event is about, and records what it says. None
/// while that is not known.
///
/// # Errors
/// When the database does not answer.
pub async fn look_into(app: &App, event: &Claimed) -> Result<Option<State>, Error> {
    let hint = match event.provider {
        ProviderName::Stripe => stripe::webhook::hint(&event.kind, &event.payload),
        ProviderName::Sandbox => Hint::Nothing,
    };
    match hint {
        Hint::Payment(id, reference) => payment(app, event.provider, id, &reference).await,
        Hint::Refund(id) => refund(app, event.provider, id).await,
        Hint::Dispute(reference) => {
            tracing::error!(
                event_id = event.event_id,
                kind = event.kind,
                reference,
                "a charge is disputed: staff have to deal with it at the provider"
            );
            Ok(Some(State::Disputed))
        }
        Hint::Nobody => Ok(Some(State::Unmatched)),
        Hint::Nothing => Ok(Some(State::Ignored)),
    }
}

/// Records what became of an event; without a state it is looked into again.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(app: &App, event: &Claimed, state: Option<State>) -> Result<(), Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    if let Some(state) = state {
        webhook_events::conclude(&mut tx, event, state, now).await?;
        EVENTS
            .with_label_values(&[event.provider.as_str(), state.as_str()])
            .inc();
        tracing::info!(
            event_id = event.event_id,
            kind = event.kind,
            state = state.as_str(),
            "webhook looked into"
        );
    } else {
        let due_time = now + backoff::pause(event.attempts);
        webhook_events::look_again(&mut tx, event, due_time).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn payment(
    app: &App,
    provider: ProviderName,
    id: PaymentId,
    reference: &str,
) -> Result<Option<State>, Error> {
    let Some(filed) = payments::filed(app.db.writer(), id).await? else {
        return Ok(Some(State::Unmatched));
    };
    if filed.provider != Some(provider) {
        return Ok(Some(State::Unmatched));
    }
    let Some(watched) = app.providers.get(provider) else {
        return Ok(None);
    };
    // If the answer that named it was lost, this saves a search. Whether it is
    // this payment's, the provider checks.
    payments::note_reference(app.db.writer(), id, provider, reference).await?;
    let known = refresh_charge(app, watched, filed.order_id, id).await?;
    Ok(known.then_some(State::Processed))
}

async fn refund(app: &App, provider: ProviderName, id: RefundId) -> Result<Option<State>, Error> {
    let Some(seen) = refunds::get(app.db.writer(), id).await? else {
        return Ok(Some(State::Unmatched));
    };
    let filed = payments::filed(app.db.writer(), seen.payment_id).await?;
    if filed.and_then(|filed| filed.provider) != Some(provider) {
        return Ok(Some(State::Unmatched));
    }
    let Some(watched) = app.providers.get(provider) else {
        return Ok(None);
    };
    let known = refresh_refund(app, watched, &seen).await?;
    Ok(known.then_some(State::Processed))
}
