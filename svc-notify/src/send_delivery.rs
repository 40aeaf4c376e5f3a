//! Sends a delivery in three steps, of which any may be the last one before a
//! crash: claim it and commit; send it, outside of any transaction; record the
//! outcome. What was sent and not recorded is sent again, under the same
//! Message-ID.

use std::time::Duration;

use crate::{
    app::App,
    backoff,
    channel::Mail,
    delivery::SendError,
    error::Error,
    store::deliveries::{self, Claimed},
};

/// How long sending one message may take.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Claims the delivery that has been due for longest.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App) -> Result<Option<Claimed>, Error> {
    Ok(deliveries::claim_due(app.db.writer(), app.clock.now()).await?)
}

/// Sends it.
///
/// # Errors
/// [`SendError`] says whether it is worth trying again.
pub async fn send(app: &App, claimed: &Claimed) -> Result<(), SendError> {
    let letter = app
        .templates
        .letter(&claimed.notice, &claimed.contact.display_name)
        .map_err(|error| {
            tracing::error!(error = svc_kit::error::chain(&error), "letter not written");
            SendError::Later("TEMPLATE".to_owned())
        })?;
    let mail = Mail {
        id: claimed.id,
        to: claimed.contact.clone(),
        letter,
        date: claimed.create_time,
    };
    tokio::time::timeout(DEADLINE, app.mailer.send(&mail))
        .await
        .unwrap_or_else(|_| Err(SendError::Later("TIMEOUT".to_owned())))
}

/// Records what became of it.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude(
    app: &App,
    claimed: &Claimed,
    outcome: Result<(), SendError>,
) -> Result<(), Error> {
    let now = app.clock.now();
    let template = claimed.notice.template().as_str();
    let attempt = claimed.attempt;
    match outcome {
        Ok(()) => {
            deliveries::sent(app.db.writer(), claimed.id, now).await?;
            tracing::info!(template, attempt, "sent");
        }
        Err(error) => {
            let code = error.code();
            let given_up = error.is_final(attempt);
            let retry_time = (!given_up).then(|| now + backoff::pause(attempt));
            deliveries::failed(app.db.writer(), claimed, code, retry_time).await?;
            tracing::warn!(template, attempt, code, given_up, "not sent");
        }
    }
    Ok(())
}
