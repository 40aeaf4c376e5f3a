//! A shop for one test: its own database, its own corner of Redis, and a real
//! gRPC server.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use prost::Message as _;
use proto::souk::{
    catalog::v1::{self as pb, catalog_service_client::CatalogServiceClient},
    event::v1::{
        OrderCancelled, OrderConfirmed, OrderPlaced, OrderReturned, OrderedLine, ProductChanged,
    },
    r#type::v1::Money,
};
use sqlx::{Executor as _, PgPool, Row as _};
use svc_catalog::{
    MIGRATIONS,
    app::App,
    cache::ProductCache,
    consumers::{OnOrderCancelled, OnOrderConfirmed, OnOrderPlaced, OnOrderReturned},
    grpc::CatalogGrpc,
    product::ProductId,
    search::{PostgresEngine, Search},
};
use svc_kit::{
    clock::Clock,
    consumer::{ConsumeError, Consumer as _, Delivered, Heard, deliver},
    testing,
};
use tokio::{net::TcpListener, sync::Notify};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;
use uuid::Uuid;

/// When the tests' clock begins, in seconds since the epoch.
const START: i64 = 1_800_000_000;

/// How long a test waits for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Shop {
    pub(crate) app: App,
    pub(crate) client: CatalogServiceClient<Channel>,
    pub(crate) cache_prefix: String,
}

impl Shop {
    /// A shop with the categories `outdoors`, `tents` below it, and `books`.
    pub(crate) async fn open(pool: PgPool) -> Self {
        let shop = Self::empty(pool).await;
        for (id, parent_id) in [("outdoors", ""), ("tents", "outdoors"), ("books", "")] {
            shop.category(id, parent_id).await.unwrap();
        }
        shop.forget_events().await;
        shop
    }

    pub(crate) async fn empty(pool: PgPool) -> Self {
        let db = testing::migrated(pool, &MIGRATIONS).await;
        let clock = Clock::manual(DateTime::from_timestamp(START, 0).unwrap());
        let cache_prefix = format!("test-{}", new_id());
        let app = App {
            search: Search::Postgres(PostgresEngine::new(db.clone())),
            cache: ProductCache::new(testing::redis().await, &cache_prefix),
            db,
            clock,
            reservation_ttl: Duration::from_mins(30),
            repair: Arc::new(Notify::new()),
            reindex: Arc::new(Notify::new()),
        };
        let client = serve(app.clone()).await;
        Self {
            app,
            client,
            cache_prefix,
        }
    }

    /// The same database and Redis, seen by another replica.
    pub(crate) async fn replica(&self) -> App {
        App {
            cache: ProductCache::new(testing::redis().await, &self.cache_prefix),
            ..self.app.clone()
        }
    }

    pub(crate) async fn category(&self, id: &str, parent_id: &str) -> Result<pb::Category, Status> {
        let category = pb::Category {
            id: id.to_owned(),
            title: format!("The {id}"),
            parent_id: parent_id.to_owned(),
        };
        let request = pb::CreateCategoryRequest {
            category: Some(category),
        };
        Ok(self
            .client
            .clone()
            .create_category(request)
            .await?
            .into_inner())
    }

    pub(crate) async fn create(
        &self,
        product: pb::Product,
        stock: i64,
    ) -> Result<pb::Product, Status> {
        let request = pb::CreateProductRequest {
            product: Some(product),
            initial_stock: stock,
            request_id: String::new(),
        };
        Ok(self
            .client
            .clone()
            .create_product(request)
            .await?
            .into_inner())
    }

    /// A product of this title, of which there is so much.
    pub(crate) async fn given(&self, title: &str, stock: i64) -> pb::Product {
        self.create(tent(title), stock).await.unwrap()
    }

    pub(crate) async fn update(
        &self,
        product: pb::Product,
        mask: &[&str],
    ) -> Result<pb::Product, Status> {
        let request = pb::UpdateProductRequest {
            product: Some(product),
            update_mask: Some(prost_types::FieldMask {
                paths: mask.iter().map(ToString::to_string).collect(),
            }),
        };
        Ok(self
            .client
            .clone()
            .update_product(request)
            .await?
            .into_inner())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::Product, Status> {
        let request = pb::GetProductRequest { id: id.to_owned() };
        Ok(self.client.clone().get_product(request).await?.into_inner())
    }

    pub(crate) async fn adjust(&self, id: &str, delta: i64) -> Result<pb::Stock, Status> {
        self.adjust_as(id, delta, new_id()).await
    }

    pub(crate) async fn adjust_as(
        &self,
        id: &str,
        delta: i64,
        request_id: Uuid,
    ) -> Result<pb::Stock, Status> {
        let request = pb::AdjustStockRequest {
            product_id: id.to_owned(),
            delta,
            request_id: request_id.to_string(),
            reason: "delivery".to_owned(),
        };
        Ok(self
            .client
            .clone()
            .adjust_stock(request)
            .await?
            .into_inner())
    }

    /// On hand and reserved.
    pub(crate) async fn stock(&self, id: &str) -> (i64, i64) {
        let request = pb::GetStockRequest {
            product_id: id.to_owned(),
        };
        let stock = self
            .client
            .clone()
            .get_stock(request)
            .await
            .unwrap()
            .into_inner();
        (stock.on_hand, stock.reserved)
    }

    pub(crate) async fn placed(&self, order: &Order) -> Result<Delivered, ConsumeError> {
        self.placed_as(order, new_id()).await
    }

    /// All of them in one transaction, as a batch that waited.
    pub(crate) async fn placed_together(&self, orders: &[Order]) {
        let events = orders.iter().map(|order| {
            Heard::here(OrderPlaced {
                order_id: order.id.to_string(),
                lines: order.lines.clone(),
                ..OrderPlaced::default()
            })
        });
        let consumer = OnOrderPlaced {
            app: self.app.clone(),
        };
        let mut tx = self.app.db.begin().await.unwrap();
        consumer
            .handle_all(&mut tx, events.collect())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn placed_as(
        &self,
        order: &Order,
        event_id: Uuid,
    ) -> Result<Delivered, ConsumeError> {
        let event = OrderPlaced {
            order_id: order.id.to_string(),
            lines: order.lines.clone(),
            ..OrderPlaced::default()
        };
        let consumer = OnOrderPlaced {
            app: self.app.clone(),
        };
        deliver(&self.app.db, &consumer, event_id, event).await
    }

    pub(crate) async fn cancelled(&self, order: &Order) -> Result<Delivered, ConsumeError> {
        let event = OrderCancelled {
            order_id: order.id.to_string(),
            lines: order.lines.clone(),
            ..OrderCancelled::default()
        };
        let consumer = OnOrderCancelled {
            app: self.app.clone(),
        };
        deliver(&self.app.db, &consumer, new_id(), event).await
    }

    pub(crate) async fn confirmed(&self, order: &Order) -> Result<Delivered, ConsumeError> {
        let event = OrderConfirmed {
            order_id: order.id.to_string(),
            lines: order.lines.clone(),
            ..OrderConfirmed::default()
        };
        let consumer = OnOrderConfirmed {
            app: self.app.clone(),
        };
        deliver(&self.app.db, &consumer, new_id(), event).await
    }

    /// What of an order came back whole, under the name of a return.
    pub(crate) async fn returned(
        &self,
        return_id: Uuid,
        came_back: &Order,
    ) -> Result<Delivered, ConsumeError> {
        let event = OrderReturned {
            order_id: came_back.id.to_string(),
            return_id: return_id.to_string(),
            restocked: came_back.lines.clone(),
            ..OrderReturned::default()
        };
        let consumer = OnOrderReturned {
            app: self.app.clone(),
        };
        deliver(&self.app.db, &consumer, new_id(), event).await
    }

    /// The subjects that wait in the outbox, oldest first.
    pub(crate) async fn events(&self) -> Vec<String> {
        testing::outbox_subjects(&self.app.db).await
    }

    /// The ProductChanged that wait in the outbox, oldest first.
    pub(crate) async fn product_changes(&self) -> Vec<ProductChanged> {
        let rows = self
            .app
            .db
            .writer()
            .fetch_all("SELECT payload FROM outbox WHERE subject = 'souk.catalog.product_changed.v1' ORDER BY seq")
            .await
            .unwrap();
        rows.iter()
            .map(|row| ProductChanged::decode(row.get::<Vec<u8>, _>(0).as_slice()).unwrap())
            .collect()
    }

    pub(crate) async fn forget_events(&self) {
        self.app
            .db
            .writer()
            .execute("DELETE FROM outbox")
            .await
            .unwrap();
    }

    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        self.app
            .db
            .writer()
            .fetch_one(sqlx::raw_sql(sql))
            .await
            .unwrap()
            .get(0)
    }
}

async fn serve(app: App) -> CatalogServiceClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tonic::transport::Server::builder()
        .add_service(CatalogGrpc::new(app).into_server())
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    CatalogServiceClient::new(channel)
}

pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) lines: Vec<OrderedLine>,
}

/// An order of so much of each product.
pub(crate) fn order(lines: &[(&pb::Product, i32)]) -> Order {
    Order {
        id: new_id(),
        lines: lines
            .iter()
            .map(|(product, quantity)| OrderedLine {
                product_id: product.id.clone(),
                quantity: *quantity,
            })
            .collect(),
    }
}

/// A tent of this title for 129.99.
pub(crate) fn tent(title: &str) -> pb::Product {
    pb::Product {
        title: title.to_owned(),
        description: "Keeps the rain out.".to_owned(),
        category_id: "tents".to_owned(),
        price: Some(eur(12_999)),
        ..pb::Product::default()
    }
}

pub(crate) fn eur(minor: i64) -> Money {
    svc_kit::money::Money::new("EUR".parse().unwrap(), minor).into()
}

pub(crate) fn new_id() -> Uuid {
    svc_kit::id::generate(&Clock::system())
}

pub(crate) fn id(product: &pb::Product) -> ProductId {
    product.id.parse().unwrap()
}

pub(crate) fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(
    outcome: Result<T, Status>,
    code: Code,
    why: &str,
) {
    let status = outcome.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, why),
        "{status:?}"
    );
}
