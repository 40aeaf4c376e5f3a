//! Carts in Redis: one hash for each account, with the cart's id and version
//! and, for each product, its quantity and the version at which it was put in.
//! Each change is one script, so that two devices never see half of one.

use std::time::Duration;

use fred::{
    clients::Pool,
    error::{Error as RedisError, ErrorKind},
    types::scripts::Script,
};
use svc_kit::{
    error::{Kind, ServiceError},
    id::AccountId,
    random,
};

use crate::{
    cart::{self, Cart, CartId},
    product::{Item, ProductId},
};

/// The channel on which changed carts are told, by their account.
pub const CHANNEL: &str = "souk:order:carts";

/// The fields of a cart's hash that are no products.
const ID: &str = "id";
const VERSION: &str = "version";

/// What the store of carts can run into.
#[derive(Debug, thiserror::Error)]
pub enum CartStoreError {
    /// Redis refused or is away.
    #[error("the carts cannot be reached")]
    Redis(#[from] RedisError),
    /// A cart that makes no sense.
    #[error("corrupt cart: {0}")]
    Corrupt(String),
}

impl ServiceError for CartStoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Redis(error) => match error.kind() {
                ErrorKind::InvalidArgument
                | ErrorKind::InvalidCommand
                | ErrorKind::Parse
                | ErrorKind::Protocol
                | ErrorKind::NotFound => Kind::Internal,
                _ => Kind::Unavailable,
            },
            Self::Corrupt(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self.kind() {
            Kind::Unavailable => "CART_UNAVAILABLE",
            _ => "INTERNAL",
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The cart as it is now.
    Done(Cart),
    /// It has another version than expected: this one.
    Contended(i64),
    /// It holds as many products as it may.
    Full,
}

/// The carts.
#[derive(Clone)]
pub struct Carts {
    redis: Pool,
    read: Script,
    set: Script,
    clear: Script,
    take: Script,
}

impl Carts {
    /// The carts in this Redis.
    pub fn new(redis: Pool) -> Self {
        Self {
            redis,
            read: Script::from_lua(include_str!("carts/read.lua")),
            set: Script::from_lua(include_str!("carts/set.lua")),
            clear: Script::from_lua(include_str!("carts/clear.lua")),
            take: Script::from_lua(include_str!("carts/take.lua")),
        }
    }

    /// The cart; an empty one when there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read(&self, account: AccountId) -> Result<Cart, CartStoreError> {
        let reply = self
            .run(
                &self.read,
                vec![key(account)],
                vec![millis(cart::LIFE), new_id()],
            )
            .await?;
        match change(reply)? {
            Change::Done(cart) => Ok(cart),
            other => Err(CartStoreError::Corrupt(format!(
                "a read answered {other:?}"
            ))),
        }
    }

    /// Sets how many of a product are in the cart.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn set(
        &self,
        account: AccountId,
        item: Item,
        expected_version: i64,
    ) -> Result<Change, CartStoreError> {
        let mut args = changing(account, expected_version);
        args.extend([
            item.product_id.to_string(),
            item.quantity.to_string(),
            cart::MAX_PRODUCTS.to_string(),
        ]);
        change(self.run(&self.set, vec![key(account)], args).await?)
    }

    /// Takes everything out.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn clear(
        &self,
        account: AccountId,
        expected_version: i64,
    ) -> Result<Change, CartStoreError> {
        change(
            self.run(
                &self.clear,
                vec![key(account)],
                changing(account, expected_version),
            )
            .await?,
        )
    }

    /// Takes out what was ordered, and nothing that was added since; what is
    /// left is another cart. A repeat changes nothing.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take(
        &self,
        account: AccountId,
        cart: CartId,
        ordered: impl IntoIterator<Item = Item>,
    ) -> Result<(), CartStoreError> {
        let mut args = vec![
            cart.to_string(),
            new_id(),
            millis(cart::LIFE),
            CHANNEL.to_owned(),
            account.to_string(),
        ];
        for item in ordered {
            args.extend([item.product_id.to_string(), item.quantity.to_string()]);
        }
        self.run(&self.take, vec![key(account)], args).await?;
        Ok(())
    }

    async fn run(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<Vec<String>, CartStoreError> {
        let reply = script
            .evalsha_with_reload(self.redis.next(), keys, args)
            .await;
        Ok(reply.inspect_err(|error| tracing::warn!(%error, "redis did not run a script"))?)
    }
}

/// The braces keep all keys of an account on one node of a cluster.
fn key(account: AccountId) -> String {
    format!("souk:order:cart:{{{account}}}")
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn changing(account: AccountId, expected_version: i64) -> Vec<String> {
    vec![
        expected_version.to_string(),
        millis(cart::LIFE),
        CHANNEL.to_owned(),
        account.to_string(),
        new_id(),
    ]
}

/// The id of a cart that comes into being. Nobody can guess it, and no cart that
/// was ordered or forgotten ever gets its old one back.
fn new_id() -> String {
    let id = uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
    CartId(id).to_string()
}

fn change(reply: Vec<String>) -> Result<Change, CartStoreError> {
    let corrupt = |why: &str| CartStoreError::Corrupt(why.to_owned());
    let mut reply = reply.into_iter();
    match reply.next().as_deref() {
        Some("ok") => Ok(Change::Done(cart(reply)?)),
        Some("changed") => {
            let version = reply.next().and_then(|version| version.parse().ok());
            version
                .map(Change::Contended)
                .ok_or_else(|| corrupt("no version"))
        }
        Some("full") => Ok(Change::Full),
        _ => Err(corrupt("a script answered nonsense")),
    }
}

fn cart(mut fields: impl Iterator<Item = String>) -> Result<Cart, CartStoreError> {
    let corrupt = |why: &str| CartStoreError::Corrupt(why.to_owned());
    let (mut id, mut version) = (None, 0);
    let mut items: Vec<(i64, Item)> = Vec::new();
    while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
        if field == ID {
            let known: CartId = value.parse().map_err(|_| corrupt("its id is no UUID"))?;
            id = Some(known);
            continue;
        }
        if field == VERSION {
            version = value
                .parse()
                .map_err(|_| corrupt("its version is no number"))?;
            continue;
        }
        let product_id: ProductId = field.parse().map_err(|_| corrupt("a product is no UUID"))?;
        let item = value.split_once(':').and_then(|(quantity, since)| {
            Some((
                since.parse().ok()?,
                Item {
                    product_id,
                    quantity: quantity.parse().ok()?,
                },
            ))
        });
        items.push(item.ok_or_else(|| corrupt("a quantity is no number"))?);
    }
    items.sort_unstable_by_key(|(since, item)| (*since, item.product_id));
    Ok(Cart {
        items: items.into_iter().map(|(_, item)| item).collect(),
        id,
        version,
    })
}
