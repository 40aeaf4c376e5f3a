//! Begins a session for somebody who has proved who they are.

use crate::{
    account::Account,
    app::App,
    error::Error,
    refresh_token::RefreshToken,
    session::{REFRESH_TOKEN_LIFE, Refresh, Session, SessionId, Tokens},
};

/// Begins a session and makes its first tokens.
///
/// While Redis is away there is no refresh token: the session ends with its
/// access token, which is better than nobody being able to log in.
///
/// # Errors
/// `Unavailable` when no key signs.
pub async fn open_session(app: &App, account: &Account) -> Result<Tokens, Error> {
    let session = Session {
        id: SessionId::generate(&app.clock),
        account_id: account.id,
        epoch: account.session_epoch,
    };
    let access = app.access_token(account, session.id)?;

    let first = RefreshToken::first(session.id);
    let refresh = match app.sessions.open(&session, &first).await {
        Ok(()) => Some(Refresh {
            token: first.encode(),
            expire_time: app.clock.now() + REFRESH_TOKEN_LIFE,
        }),
        Err(error) => {
            tracing::warn!(%error, "a session is opened without a refresh token");
            None
        }
    };
    Ok(Tokens {
        access_token: access.jwt,
        access_token_expire_time: access.expire_time,
        refresh,
    })
}
