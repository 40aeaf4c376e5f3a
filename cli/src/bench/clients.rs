//! Customers that order as fast as they are answered, or at a given pace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::souk::identity::v1::{RegisterRequest, identity_service_client::IdentityServiceClient};
use proto::souk::order::v1::{
    OrderItem, PlaceOrderRequest, order_service_client::OrderServiceClient,
};
use proto::souk::r#type::v1::Address;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use uuid::Uuid;

use super::shop::Shop;
use crate::shop;
use crate::stack::Process;

/// How many register at once.
const REGISTER_AT_ONCE: usize = 8;

/// What a measurement came to.
#[derive(Debug)]
pub(super) struct Placed {
    /// How long each call took, in microseconds.
    pub(super) micros: Vec<u64>,
    /// Calls that were refused or failed.
    pub(super) failed: usize,
    /// From the first call to the last answer.
    pub(super) took: Duration,
    /// The same on the shop's clock.
    pub(super) span: (DateTime<Utc>, DateTime<Utc>),
}

impl Placed {
    /// Orders answered per second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.took.as_secs_f64()
    }
}

#[derive(Clone)]
struct Client {
    token: MetadataValue<Ascii>,
    straight: OrderServiceClient<Channel>,
    edge: OrderServiceClient<Channel>,
}

pub(super) struct Clients(Vec<Client>);

impl Clients {
    /// Opens accounts, with a connection each.
    pub(super) async fn register(shop: &Shop, count: usize) -> anyhow::Result<Self> {
        let clients = stream::iter(0..count)
            .map(|number| Client::register(shop, number))
            .buffer_unordered(REGISTER_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Self(clients))
    }

    /// Some of them order as fast as they are answered, straight from
    /// svc-order.
    pub(super) async fn place(
        &self,
        shop: &Shop,
        count: usize,
        time: Duration,
        products: &[Uuid],
    ) -> anyhow::Result<Placed> {
        let products: Arc<[Uuid]> = products.into();
        let begun = (Instant::now(), now(shop).await?);
        let end = begun.0 + time;
        let mut tasks = JoinSet::new();
        for (number, client) in self.0.iter().take(count).enumerate() {
            let (mut client, products) = (client.clone(), Arc::clone(&products));
            tasks.spawn(async move {
                let (mut micros, mut failed) = (Vec::new(), 0);
                let mut next = number;
                while Instant::now() < end {
                    let product = products[next % products.len()];
                    next += 7;
                    let asked = Instant::now();
                    match client.order(product).await {
                        Ok(()) => micros.push(micros_since(asked)),
                        Err(_) => failed += 1,
                    }
                }
                (micros, failed)
            });
        }
        let (mut micros, mut failed) = (Vec::new(), 0);
        while let Some(ended) = tasks.join_next().await {
            let (more, more_failed) = ended?;
            micros.extend(more);
            failed += more_failed;
        }
        Ok(Placed {
            micros,
            failed,
            took: begun.0.elapsed(),
            span: (begun.1, now(shop).await?),
        })
    }

    /// They order through the edge at a given pace, whether they are answered
    /// or not; how long it took counts from when it was due.
    pub(super) async fn paced(
        &self,
        shop: &Shop,
        per_minute: u32,
        time: Duration,
    ) -> anyhow::Result<Placed> {
        let every = Duration::from_mins(1) / per_minute.max(1);
        let begun = (tokio::time::Instant::now(), now(shop).await?);
        let mut tasks = JoinSet::new();
        let mut due = begun.0;
        let mut turn = self.0.iter().cycle();
        for product in shop.products.iter().cycle() {
            if due >= begun.0 + time {
                break;
            }
            tokio::time::sleep_until(due).await;
            let client = turn.next().context("there are no clients")?.clone();
            let (product, since) = (*product, due.into_std());
            tasks.spawn(async move {
                let mut edge = client.edge.clone();
                let outcome = edge.place_order(client.request(product)).await;
                outcome.map(|_| micros_since(since))
            });
            due += every;
        }
        let (mut micros, mut failed) = (Vec::new(), 0);
        while let Some(ended) = tasks.join_next().await {
            match ended? {
                Ok(took) => micros.push(took),
                Err(_) => failed += 1,
            }
        }
        Ok(Placed {
            micros,
            failed,
            took: begun.0.elapsed(),
            span: (begun.1, now(shop).await?),
        })
    }
}

impl Client {
    async fn register(shop: &Shop, number: usize) -> anyhow::Result<Self> {
        let edge = shop::connect(&shop.stack.edge_url(), Some(&shop.stack.ca_pem()?)).await?;
        let answer = IdentityServiceClient::new(edge.clone())
            .register(RegisterRequest {
                email: format!("client-{number}@example.org"),
                password: Uuid::new_v4().to_string(),
                display_name: "Ada Example".to_owned(),
            })
            .await?
            .into_inner();
        let tokens = answer.tokens.context("no tokens")?;
        let straight = shop::connect(&shop.stack.grpc_url(Process::Order)?, None).await?;
        Ok(Self {
            token: shop::bearer(&tokens.access_token)?,
            straight: OrderServiceClient::new(straight),
            edge: OrderServiceClient::new(edge),
        })
    }

    async fn order(&mut self, product: Uuid) -> Result<(), tonic::Status> {
        let request = self.request(product);
        self.straight.place_order(request).await.map(drop)
    }

    fn request(&self, product: Uuid) -> Request<PlaceOrderRequest> {
        let mut request = Request::new(PlaceOrderRequest {
            request_id: Uuid::new_v4().to_string(),
            items: vec![OrderItem {
                product_id: product.to_string(),
                quantity: 1,
            }],
            shipping_address: Some(Address {
                recipient: "Ada Example".to_owned(),
                address_lines: vec!["Example Street 1".to_owned()],
                locality: "Berlin".to_owned(),
                administrative_area: String::new(),
                postal_code: "10115".to_owned(),
                region_code: "DE".to_owned(),
            }),
            payment_token: "tok_ok".to_owned(),
            ..PlaceOrderRequest::default()
        });
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        request
    }
}

/// The time where the orders are.
async fn now(shop: &Shop) -> anyhow::Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&shop.orders)
        .await?)
}

fn micros_since(time: Instant) -> u64 {
    u64::try_from(time.elapsed().as_micros()).unwrap_or(u64::MAX)
}
