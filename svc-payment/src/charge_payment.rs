//! Charges payments in three steps, of which any may be the last one before a
//! crash: record the attempts and commit; ask the provider, outside of any
//! transaction; record the outcomes. A step that got lost is made up for by the
//! next attempt, which looks up before it charges again.
//!
//! Those that are due are claimed together, each is asked for by itself, and
//! those whose answers are there at the same moment are concluded together.

mod follow;

use std::{slice, sync::Arc};

use svc_kit::error::{Kind, ServiceError as _, chain};
use tracing::{Instrument as _, Span};

use crate::{
    app::App,
    error::Error,
    payment::{Call, NO_ATTEMPT, OrderId, Status},
    provider::FoundCharge,
    store::{
        checkouts,
        payments::{self, Claimed},
        provider_calls::{self, CallKey},
    },
};
use follow::Following;

/// The most payments that are claimed together.
pub const CLAIMED_TOGETHER: u32 = 16;

/// What the provider has said of a claimed payment.
#[derive(Debug)]
pub struct Answered {
    /// The payment as it was claimed.
    pub claimed: Claimed,
    /// The answer.
    pub answer: FoundCharge,
    /// The span of its charge: what it leads to belongs to that trace.
    pub span: Span,
}

/// Claims the payments that have been due for longest, and records the
/// attempts. At most [`CLAIMED_TOGETHER`].
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App) -> Result<Vec<Claimed>, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let choose = || app.providers.for_new_charge();
    let claimed = payments::claim_due(&mut tx, now, CLAIMED_TOGETHER, choose).await?;
    let calls: Vec<_> = claimed
        .iter()
        .map(|one| (key(one), one.call.as_str()))
        .collect();
    if !calls.is_empty() {
        provider_calls::begin(&mut tx, &calls, now).await?;
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

/// Records what the provider has said, and what follows from it, in one
/// transaction. If that fails, each goes by itself, and only what is wrong with
/// itself keeps it out.
pub async fn conclude(app: &App, answered: &[Answered]) -> Vec<Result<(), Arc<Error>>> {
    match conclude_together(app, answered).await {
        Ok(()) => answered.iter().map(|_| Ok(())).collect(),
        Err(error) if answered.len() > 1 && error.kind() != Kind::Unavailable => {
            let payments = answered.len();
            tracing::warn!(
                error = chain(&error),
                payments,
                "payments not concluded together"
            );
            let mut concluded = Vec::with_capacity(payments);
            for one in answered {
                let alone = conclude_together(app, slice::from_ref(one));
                let alone = alone.instrument(one.span.clone()).await;
                if let Err(error) = &alone {
                    let payment_id = one.claimed.payment.id;
                    tracing::warn!(%payment_id, error = chain(error), "payment not concluded");
                }
                concluded.push(alone.map_err(Arc::new));
            }
            concluded
        }
        Err(error) => {
            let error = Arc::new(error);
            answered.iter().map(|_| Err(Arc::clone(&error))).collect()
        }
    }
}

async fn conclude_together(app: &App, answered: &[Answered]) -> Result<(), Error> {
    let now = app.clock.now();
    let order_ids: Vec<OrderId> = answered
        .iter()
        .map(|one| one.claimed.payment.order_id)
        .collect();
    let calls: Vec<_> = answered
        .iter()
        .map(|one| (key(&one.claimed), one.answer.as_str()))
        .collect();
    let mut tx = app.db.begin().await?;
    let cancelled = checkouts::lock_all(&mut tx, &order_ids, now).await?;
    let mut held = payments::lock_of_orders(&mut tx, &order_ids).await?;
    provider_calls::end(&mut tx, &calls, now).await?;
    let mut following = Following::new(app);
    for Answered {
        claimed,
        answer,
        span,
    } in answered
    {
        let order_id = claimed.payment.order_id;
        // It takes one step in a transaction: a second answer to the same
        // payment finds it gone.
        let Some(payment) = held.remove(&order_id) else {
            return Err(Error::NotFound);
        };
        let order_cancelled = cancelled.contains(&order_id);
        let attempt = claimed.payment.attempts;
        span.in_scope(|| following.add(payment, attempt, *answer, order_cancelled))?;
    }
    following.write(&mut tx).await?;
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
    let status = payment.status;
    let mut following = Following::new(app);
    following.add(payment, NO_ATTEMPT, found, order_cancelled)?;
    following.write(&mut tx).await?;
    tx.commit().await?;
    Ok(status)
}

fn key(claimed: &Claimed) -> CallKey {
    CallKey {
        payment_id: claimed.payment.id,
        refund_id: None,
        number: claimed.payment.attempts,
    }
}
