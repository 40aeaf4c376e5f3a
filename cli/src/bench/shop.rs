//! The shop that is measured: fresh, without limits, with products of which
//! there is always enough.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use proto::souk::catalog::v1::{
    Category, CreateCategoryRequest, CreateProductRequest, Product,
    catalog_service_client::CatalogServiceClient,
};
use proto::souk::r#type::v1::Money;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row as _};
use tonic::Request;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::shop;
use crate::stack::{Process, Stack, StackOptions};

/// How many products the orders are spread over.
const PRODUCTS: usize = 200;
/// How many there are of each: more than can be sold in a run.
const STOCK: i64 = 100_000_000;
/// How long the shop may take to finish what was ordered.
const SETTLE_WITHIN: Duration = Duration::from_mins(15);
/// How often it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Shop {
    pub(super) stack: Stack,
    pub(super) products: Vec<Uuid>,
    pub(super) hot: Uuid,
    pub(super) orders: PgPool,
    pub(super) catalog: PgPool,
}

impl Shop {
    pub(super) async fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut options = StackOptions::for_tests(dir);
        options.durable = true;
        let options = ["READ", "WRITE", "SEARCH", "AUTH"]
            .iter()
            .fold(options, |options, class| {
                options.env(format!("SOUK_EDGE_RATE_{class}_PER_MINUTE"), "0")
            });
        let stack = Stack::start(options).await?;
        let edge = shop::connect(&stack.edge_url(), Some(&stack.ca_pem()?)).await?;
        let staff = stack.staff();
        let token = shop::log_in(edge.clone(), &staff.email, &staff.password).await?;
        let mut products = stock_up(edge, &token).await?;
        let hot = products.pop().context("no product was made")?;
        let pool = |process| {
            let url = stack.database_url(process)?;
            anyhow::Ok(PgPoolOptions::new().max_connections(2).connect_lazy(&url)?)
        };
        Ok(Self {
            orders: pool(Process::Order)?,
            catalog: pool(Process::Catalog)?,
            products,
            hot,
            stack,
        })
    }

    /// Waits until every order has come to its end.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        self.until("the orders to be confirmed", || async {
            Ok(self.unfinished().await? == 0)
        })
        .await
    }

    /// How many orders have not come to their end.
    pub(super) async fn unfinished(&self) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM orders WHERE status IN ('pending', 'reserved')",
        )
        .fetch_one(&self.orders)
        .await?)
    }

    /// Waits for something.
    pub(super) async fn until<F>(&self, what: &str, look: impl Fn() -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<bool>>,
    {
        let wait = async {
            while !look().await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(SETTLE_WITHIN, wait)
            .await
            .with_context(|| format!("waited {SETTLE_WITHIN:?} for {what}"))?
    }

    /// From placed to confirmed, in microseconds, of the orders that were
    /// placed in a span of time.
    pub(super) async fn confirmations(
        &self,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> anyhow::Result<Vec<u64>> {
        let rows = sqlx::query(
            "SELECT (extract(epoch FROM changed_at - created_at) * 1000000)::bigint AS micros
             FROM orders JOIN order_changes
                  ON order_changes.account_id = orders.account_id AND order_id = id
             WHERE order_changes.status = 'confirmed' AND created_at BETWEEN $1 AND $2",
        )
        .bind(from)
        .bind(until)
        .fetch_all(&self.orders)
        .await?;
        rows.iter()
            .map(|row| Ok(u64::try_from(row.try_get::<i64, _>("micros")?)?))
            .collect()
    }

    pub(super) async fn close(&self) {
        self.stack.shut_down().await;
    }
}

async fn stock_up(edge: Channel, token: &str) -> anyhow::Result<Vec<Uuid>> {
    let bearer = shop::bearer(token)?;
    let mut catalog = CatalogServiceClient::new(edge);
    let mut category = Request::new(CreateCategoryRequest {
        category: Some(Category {
            id: "measured".to_owned(),
            title: "Measured".to_owned(),
            ..Category::default()
        }),
    });
    category
        .metadata_mut()
        .insert("authorization", bearer.clone());
    catalog.create_category(category).await?;
    let mut ids = Vec::with_capacity(PRODUCTS + 1);
    for number in 0..=PRODUCTS {
        let mut product = Request::new(CreateProductRequest {
            product: Some(Product {
                title: format!("Measure {number}"),
                category_id: "measured".to_owned(),
                price: Some(Money {
                    currency_code: "EUR".to_owned(),
                    units: 42,
                    nanos: 0,
                }),
                ..Product::default()
            }),
            initial_stock: STOCK,
            request_id: Uuid::new_v4().to_string(),
        });
        product
            .metadata_mut()
            .insert("authorization", bearer.clone());
        let made = catalog.create_product(product).await?.into_inner();
        ids.push(made.id.parse()?);
    }
    Ok(ids)
}
