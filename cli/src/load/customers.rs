//! The customers of a load: registered before the clock starts, since a
//! password is slow to hash by design, and kept logged in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::souk::identity::v1::identity_service_client::IdentityServiceClient;
use proto::souk::identity::v1::{LogInRequest, RefreshTokensRequest, RegisterRequest, Tokens};
use svc_kit::clock::Clock;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};
use uuid::Uuid;

use super::calls::{self, PATIENCE};
use crate::shop;
use crate::wire::Wire;

/// Passwords that are hashed at the same time.
const AT_ONCE: usize = 4;
/// How often a registration is tried.
const TRIES: u32 = 3;
/// A token is renewed so long before it expires.
const RENEW_BEFORE: Duration = Duration::from_mins(3);
/// A password like any other.
const PASSWORD: &str = "correct horse battery staple";

/// Somebody who orders.
pub(super) struct Customer {
    /// Their account.
    pub(super) account_id: Uuid,
    /// Their way to the edge.
    pub(super) wire: Wire,
    /// Whoever holds this has the cart for themselves.
    pub(super) cart: tokio::sync::Mutex<()>,
    email: String,
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

/// Registers as many customers as there are wires.
pub(super) async fn register(wires: Vec<Wire>) -> anyhow::Result<Vec<Arc<Customer>>> {
    stream::iter(wires.into_iter().enumerate())
        .map(|(n, wire)| register_one(n, wire))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn register_one(n: usize, wire: Wire) -> anyhow::Result<Arc<Customer>> {
    let email = format!("customer-{n}@load.example");
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        let request = RegisterRequest {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: format!("Customer {n}"),
        };
        let mut client = IdentityServiceClient::new(wire.clone());
        match calls::within(client.register(request)).await {
            Ok(answer) => break answer,
            Err(_) if tries < TRIES => {}
            Err(status) => {
                anyhow::bail!("customer {n} is not registered: {}", shop::said(&status))
            }
        }
    };
    let account = answer.account.context("the shop sent no account")?;
    Ok(Arc::new(Customer {
        account_id: account.id.parse().context("an account's id")?,
        wire,
        cart: tokio::sync::Mutex::default(),
        email,
        session: Mutex::new(Session::of(answer.tokens)?),
        renewing: tokio::sync::Mutex::default(),
    }))
}

impl Customer {
    /// A request in the customer's name. Renews a token that is about to
    /// expire first.
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
            let request = LogInRequest {
                email: self.email.clone(),
                password: PASSWORD.to_owned(),
            };
            calls::within(client.log_in(request)).await?.tokens
        };
        *self.session() = Session::of(tokens)?;
        Ok(())
    }

    /// When the present token expires, in seconds.
    pub(super) fn expires(&self) -> i64 {
        self.session().expires()
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
