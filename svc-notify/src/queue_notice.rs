//! Queues what somebody is told, once for each event. Nothing is sent here: a
//! worker does, after the commit, and as soon as the contact is known.

use sqlx::PgConnection;
use svc_kit::{id::AccountId, telemetry};

use crate::{
    app::App,
    delivery::DeliveryId,
    error::Error,
    notice::Notice,
    store::deliveries::{self, NewDelivery},
};

/// Queues a notice, unless it was queued before.
///
/// # Errors
/// When the notice cannot be put into words or the database does not answer.
pub async fn queue_notice(
    app: &App,
    tx: &mut PgConnection,
    account_id: AccountId,
    notice: &Notice,
) -> Result<(), Error> {
    let subject = app.templates.subject(notice)?;
    let trace_parent = telemetry::current_traceparent();
    let delivery = NewDelivery {
        id: DeliveryId::generate(&app.clock),
        account_id,
        notice,
        subject: &subject,
        trace_parent: trace_parent.as_deref(),
    };
    let queued = deliveries::insert_once(tx, &delivery, app.clock.now()).await?;
    tracing::info!(template = notice.template().as_str(), queued, "notice");
    Ok(())
}
