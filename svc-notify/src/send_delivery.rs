//! Sends deliveries in three steps, of which any may be the last one before a
//! crash: claim them and commit; send each by itself, outside of any
//! transaction; record the outcomes. What was sent and not recorded is sent
//! again, under the same Message-ID.

use std::time::Duration;

use crate::{
    app::App,
    backoff,
    channel::Mail,
    delivery::{DeliveryId, SendError},
    error::Error,
    store::deliveries::{self, Claimed},
};

/// How long sending one message may take.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// The most deliveries that are claimed together, and sent at the same time.
pub const CLAIMED_TOGETHER: u32 = 4;

/// Claims the deliveries that have been due for longest, at most
/// [`CLAIMED_TOGETHER`].
///
/// # Errors
/// When the database does not answer.
pub async fn begin(app: &App) -> Result<Vec<Claimed>, Error> {
    let now = app.clock.now();
    Ok(deliveries::claim_due(app.db.writer(), now, CLAIMED_TOGETHER).await?)
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

/// Records that these have left.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude_sent(app: &App, ids: &[DeliveryId]) -> Result<(), Error> {
    Ok(deliveries::sent(app.db.writer(), ids, app.clock.now()).await?)
}

/// Records that an attempt has failed. It is tried again, unless that is of no
/// use.
///
/// # Errors
/// When the database does not answer.
pub async fn conclude_failed(app: &App, claimed: &Claimed, error: &SendError) -> Result<(), Error> {
    let attempt = claimed.attempt;
    let code = error.code();
    let given_up = error.is_final(attempt);
    let retry_time = (!given_up).then(|| app.clock.now() + backoff::pause(attempt));
    deliveries::failed(app.db.writer(), claimed, code, retry_time).await?;
    let template = claimed.notice.template().as_str();
    tracing::warn!(template, attempt, code, given_up, "not sent");
    Ok(())
}
