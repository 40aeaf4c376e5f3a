//! Queues what somebody is told, once for each event. Nothing is sent here: a
//! worker does, after the commit, and as soon as the contact is known.

use sqlx::PgConnection;
use svc_kit::{consumer::Heard, id::AccountId, telemetry};

use crate::{
    app::App,
    delivery::DeliveryId,
    error::Error,
    notice::Notice,
    store::deliveries::{self, NewDelivery},
};

/// What somebody is told.
#[derive(Debug)]
pub struct Told {
    /// Who.
    pub account_id: AccountId,
    /// What.
    pub notice: Notice,
}

/// Queues a notice, unless it was queued before.
///
/// # Errors
/// When the notice cannot be put into words or the database does not answer.
pub async fn queue_notice(
    app: &App,
    tx: &mut PgConnection,
    account_id: AccountId,
    notice: Notice,
) -> Result<(), Error> {
    let told = Heard::here(Told { account_id, notice });
    queue_notices(app, tx, vec![told]).await
}

/// Queues notices, each unless it was queued before, and in its own trace.
///
/// # Errors
/// When a notice cannot be put into words or the database does not answer.
pub async fn queue_notices(
    app: &App,
    tx: &mut PgConnection,
    told: Vec<Heard<Told>>,
) -> Result<(), Error> {
    let mut new = Vec::with_capacity(told.len());
    let mut spans = Vec::with_capacity(told.len());
    for Heard { event, span } in told {
        let Told { account_id, notice } = event;
        new.push(NewDelivery {
            id: DeliveryId::generate(&app.clock),
            account_id,
            subject: app.templates.subject(&notice)?,
            notice,
            trace_parent: span.in_scope(telemetry::current_traceparent),
        });
        spans.push(span);
    }
    let queued = deliveries::insert_once(tx, &new, app.clock.now()).await?;
    for (delivery, span) in new.iter().zip(spans) {
        let template = delivery.notice.template().as_str();
        let queued = queued.contains(&delivery.id);
        span.in_scope(|| tracing::info!(template, queued, "notice"));
    }
    Ok(())
}
