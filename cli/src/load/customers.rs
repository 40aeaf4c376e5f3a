//! The customers of a load: registered before the clock starts, since a
//! password is slow to hash by design.

use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::souk::identity::v1::RegisterRequest;
use proto::souk::identity::v1::identity_service_client::IdentityServiceClient;
use uuid::Uuid;

use super::calls;
use super::login::Login;
use crate::shop;
use crate::wire::Wire;

/// Passwords that are hashed at the same time.
const AT_ONCE: usize = 4;
/// How often a registration is tried.
const TRIES: u32 = 3;
/// A password like any other.
const PASSWORD: &str = "correct horse battery staple";

/// Somebody who orders.
pub(super) struct Customer {
    /// Their account.
    pub(super) account_id: Uuid,
    /// In whose name they ask.
    pub(super) login: Login,
    /// Whoever holds this has the cart for themselves.
    pub(super) cart: tokio::sync::Mutex<()>,
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
        login: Login::with_tokens(wire, email, PASSWORD.to_owned(), answer.tokens)?,
        cart: tokio::sync::Mutex::default(),
    }))
}
