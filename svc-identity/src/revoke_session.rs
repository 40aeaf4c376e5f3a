//! Ends a session before its time.
//!
//! The row in Postgres is the decision, and it is announced in the same
//! transaction; from then on no refresh token of the session works, whatever
//! Redis holds. Only then is the family in Redis removed, and a job removes
//! what a crash left there. So nothing that is announced dead lives on, and
//! nothing dies unannounced.

use svc_kit::{id::AccountId, outbox};

use crate::{
    app::App,
    error::Error,
    session::{Session, SessionId},
    store::revoked_sessions,
};

/// Ends a session, and announces it once, however often it is ended.
///
/// # Errors
/// When the database is away; then the session lives on.
pub async fn revoke_session(
    app: &App,
    account_id: AccountId,
    session_id: SessionId,
) -> Result<(), Error> {
    let mut tx = app.db.begin().await?;
    if revoked_sessions::insert(&mut tx, session_id, account_id, app.clock.now()).await? {
        outbox::put(
            &mut tx,
            &Session::revoked(session_id, account_id),
            &app.clock,
        )
        .await?;
    }
    tx.commit().await?;

    if let Err(error) = end_family(app, session_id).await {
        tracing::warn!(%session_id, %error, "the family of a revoked session is removed later");
    }
    Ok(())
}

/// Removes the family of a revoked session, and keeps that it is gone.
///
/// # Errors
/// `Unavailable` when Redis or the database is away.
pub async fn end_family(app: &App, session_id: SessionId) -> Result<(), Error> {
    app.sessions
        .end(session_id)
        .await
        .map_err(Error::Sessions)?;
    revoked_sessions::finish(app.db.writer(), session_id, app.clock.now()).await?;
    Ok(())
}
