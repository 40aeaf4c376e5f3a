//! Somebody who is logged in, and stays so: a customer, or staff.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::souk::identity::v1::identity_service_client::IdentityServiceClient;
use proto::souk::identity::v1::{LogInRequest, RefreshTokensRequest, Tokens};
use proto::souk::order::v1::order_service_client::OrderServiceClient;
use svc_kit::clock::Clock;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};

use super::calls::{self, PATIENCE, Says, TRIES, pause};
use crate::shop;
use crate::wire::Wire;

/// A token is renewed so long before it expires.
const RENEW_BEFORE: Duration = Duration::from_mins(3);

/// Somebody who is logged in.
pub(super) struct Login {
    /// Their way to the edge.
    pub(super) wire: Wire,
    email: String,
    password: String,
    session: Mutex<Session>,
    /// One renewal at a time.
    renewing: tokio::sync::Mutex<()>,
}

struct Session {
    tokens: Tokens,
    bearer: MetadataValue<Ascii>,
}

impl Session {
    fn of(tokens: Option<Tokens>) -> Result<Self, Status> {
        let tokens = tokens.ok_or_else(|| Status::internal("the shop sent no tokens"))?;
        let bearer = shop::bearer(&tokens.access_token)
            .map_err(|_| Status::internal("the token fits into no header"))?;
        Ok(Self { tokens, bearer })
    }

    fn expires(&self) -> i64 {
        let time = self.tokens.access_token_expire_time;
        time.map_or(0, |time| time.seconds)
    }
}

impl Login {
    /// With the tokens that the shop has sent.
    pub(super) fn with_tokens(
        wire: Wire,
        email: String,
        password: String,
        tokens: Option<Tokens>,
    ) -> Result<Self, Status> {
        Ok(Self {
            wire,
            email,
            password,
            session: Mutex::new(Session::of(tokens)?),
            renewing: tokio::sync::Mutex::default(),
        })
    }

    /// With a password.
    pub(super) async fn with_password(
        wire: Wire,
        email: String,
        password: String,
    ) -> Result<Self, Status> {
        let tokens = log_in(&wire, &email, &password).await?;
        Self::with_tokens(wire, email, password, tokens)
    }

    /// A request in their name. Renews a token that is about to expire first.
    pub(super) async fn sign<T>(&self, message: T, clock: &Clock) -> Request<T> {
        let soon = clock.now() + RENEW_BEFORE;
        if self.expires() <= soon.timestamp() {
            // When this fails the old token says why.
            let _tried = self.renew(self.expires()).await;
        }
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        request
            .metadata_mut()
            .insert("authorization", self.session().bearer.clone());
        request
    }

    /// Asks svc-order in their name, always the same, until there is an answer,
    /// a definite no, or no patience left.
    pub(super) async fn insist<M, R, F>(
        &self,
        clock: &Clock,
        message: &M,
        call: impl Fn(OrderServiceClient<Wire>, Request<M>) -> F,
    ) -> Result<R, Status>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let expires = self.expires();
            let request = self.sign(message.clone(), clock).await;
            let orders = OrderServiceClient::new(self.wire.clone());
            let status = match calls::within(call(orders, request)).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            match Says::of(&status) {
                Says::No => return Err(status),
                Says::LogIn => {
                    // When this fails too, the next try says so.
                    let _tried = self.renew(expires).await;
                }
                Says::NotNow | Says::Nothing => {}
            }
            if tries == TRIES {
                return Err(status);
            }
            pause(tries).await;
        }
    }

    /// Gets new tokens, after those that expire at that time turned out to be
    /// of no use.
    pub(super) async fn renew(&self, expired: i64) -> Result<(), Status> {
        let _one = self.renewing.lock().await;
        if self.expires() != expired {
            return Ok(()); // somebody else was faster
        }
        let mut client = IdentityServiceClient::new(self.wire.clone());
        let refresh_token = self.session().tokens.refresh_token.clone();
        let refreshed =
            calls::within(client.refresh_tokens(RefreshTokensRequest { refresh_token })).await;
        let tokens = if let Ok(answer) = refreshed {
            answer.tokens
        } else {
            // A refresh token works once, and Redis may have forgotten it.
            log_in(&self.wire, &self.email, &self.password).await?
        };
        *self.session() = Session::of(tokens)?;
        Ok(())
    }

    /// When the present token expires, in seconds.
    pub(super) fn expires(&self) -> i64 {
        self.session().expires()
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn log_in(wire: &Wire, email: &str, password: &str) -> Result<Option<Tokens>, Status> {
    let request = LogInRequest {
        email: email.to_owned(),
        password: password.to_owned(),
    };
    let mut client = IdentityServiceClient::new(wire.clone());
    Ok(calls::within(client.log_in(request)).await?.tokens)
}
