//! Trades a refresh token for new tokens.
//!
//! A token works once. Whoever presents one that was used before holds a copy,
//! or is the owner of a token that somebody copied: the session ends for both.
//! This is strict: a client that sends the same token twice, because it lost
//! the first answer, ends its own session and has to log in again. Clients
//! must not refresh from two places at once.

use crate::{
    app::App,
    error::Error,
    refresh_token::RefreshToken,
    revoke_session::revoke_session,
    session::{REFRESH_TOKEN_LIFE, Refresh, Tokens},
    store::{accounts, revoked_sessions, sessions::Rotated},
};

/// Uses the token up and makes the next tokens, with the account's roles of
/// now. Of two with the same token at the same time, one gets tokens.
///
/// # Errors
/// `Unauthenticated` when the token is none that works; `Unavailable` when
/// Redis is away.
#[tracing::instrument(name = "identity.refresh_tokens", skip_all)]
pub async fn refresh_tokens(app: &App, token: Option<RefreshToken>) -> Result<Tokens, Error> {
    let presented = token.ok_or(Error::RefreshTokenInvalid)?;
    let session = app
        .sessions
        .find(&presented)
        .await
        .map_err(Error::Sessions)?
        .ok_or(Error::RefreshTokenInvalid)?;

    // All that can fail comes before the token is used up.
    if revoked_sessions::contains(app.db.writer(), session.id).await? {
        return Err(Error::RefreshTokenInvalid);
    }
    let account = accounts::find(app.db.writer(), session.account_id).await?;
    let Some(account) = account.filter(|account| account.session_epoch == session.epoch) else {
        revoke_session(app, session.account_id, session.id).await?;
        return Err(Error::RefreshTokenInvalid);
    };
    let access = app.access_token(&account, session.id)?;

    let next = presented.next();
    match app
        .sessions
        .rotate(&presented, &next)
        .await
        .map_err(Error::Sessions)?
    {
        Rotated::Yes => Ok(Tokens {
            access_token: access.jwt,
            access_token_expire_time: access.expire_time,
            refresh: Some(Refresh {
                token: next.encode(),
                expire_time: app.clock.now() + REFRESH_TOKEN_LIFE,
            }),
        }),
        Rotated::Reused => {
            tracing::warn!(
                account_id = %session.account_id,
                session_id = %session.id,
                "a refresh token was used twice; the session ends"
            );
            // Dead in Redis already. Should this fail, the next use of any
            // token of the family comes here again.
            revoke_session(app, session.account_id, session.id).await?;
            Err(Error::RefreshTokenReused)
        }
        Rotated::Unknown => Err(Error::RefreshTokenInvalid),
    }
}
