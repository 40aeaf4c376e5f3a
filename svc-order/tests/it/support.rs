//! A shop for one test: its own database, a customer of its own, and a
//! catalog to put products into.

mod catalog;

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use futures::{Stream, StreamExt as _};
use proto::souk::event::v1 as event;
use sqlx::PgPool;
use svc_kit::{
    Shutdown,
    caller::Caller,
    clock::Clock,
    consumer::{ConsumeError, Consumer, Delivered, deliver},
    db::Db,
    job::{Job as _, Progress},
    money::Money,
    redis::RedisConfig,
    testing,
};
use svc_order::{
    MIGRATIONS,
    address::Address,
    app::App,
    checkout::CheckoutRules,
    consumers::{
        OnPaymentCaptured, OnPaymentFailed, OnPaymentRefunded, OnReservationOverdue,
        OnStockRejected, OnStockReserved,
    },
    error::Error,
    get_order::get_order,
    jobs::ResumeCheckouts,
    order::{Fingerprint, Order, OrderId, PaymentToken, RequestKey, Shipment},
    place_order::{PlaceOrder, place_order},
    product::{Item, ProductId},
    set_cart_item::{SetCartItem, set_cart_item},
    ship_order::ship_order,
    watch::WatchLimits,
};
use uuid::Uuid;

pub(crate) use catalog::TestCatalog;

/// The longest that anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const PLACED: &str = "souk.order.placed.v1";
pub(crate) const REQUESTED: &str = "souk.payment.requested.v1";
pub(crate) const CONFIRMED: &str = "souk.order.confirmed.v1";
pub(crate) const CANCELLED: &str = "souk.order.cancelled.v1";
pub(crate) const SHIPPED: &str = "souk.order.shipped.v1";
pub(crate) const RETURNED: &str = "souk.order.returned.v1";

pub(crate) struct Shop {
    pub(crate) app: App,
    pub(crate) catalog: TestCatalog,
    pub(crate) customer: Caller,
    stop: Shutdown,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl Shop {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with_redis(pool, testing::redis().await).await
    }

    pub(crate) async fn with_redis(pool: PgPool, redis: fred::clients::Pool) -> Self {
        let db = testing::migrated(pool, &MIGRATIONS).await;
        let (catalog, client) = TestCatalog::start().await;
        let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let limits = WatchLimits {
            total: 100,
            per_account: 3,
        };
        let rules = CheckoutRules::default();
        let app = App::new(db, redis, client, clock, rules, limits);
        Self {
            app,
            catalog,
            customer: testing::caller(),
            stop: Shutdown::new(),
        }
    }

    /// Another replica over the same database and Redis.
    pub(crate) fn replica(&self) -> App {
        App {
            order_changes: svc_order::hub::Hub::new(),
            cart_changes: svc_order::hub::Hub::new(),
            ..self.app.clone()
        }
    }

    /// Lets an app hear of changes; returns how to stop it.
    pub(crate) fn listen(&self, app: &App) -> Shutdown {
        let (app, stop) = (app.clone(), Shutdown::new());
        let (ended, outer) = (stop.clone(), self.stop.clone());
        tokio::spawn(async move {
            let subscriber = svc_kit::redis::builder(&redis_config()).unwrap();
            tokio::select! {
                () = app.tell_watchers(&subscriber, ended) => {}
                () = outer.stopped() => {}
            }
        });
        stop
    }

    pub(crate) async fn place(&self, command: PlaceOrder) -> Result<Order, Error> {
        place_order(&self.app, &self.customer, command).await
    }

    pub(crate) async fn reload(&self, id: OrderId) -> Order {
        get_order(&self.app, &self.customer, id).await.unwrap()
    }

    /// The events that were announced, oldest first.
    pub(crate) async fn outbox(&self) -> Vec<String> {
        testing::outbox_subjects(&self.app.db).await
    }

    pub(crate) async fn put_in_cart(&self, product_id: ProductId, quantity: i32) -> i64 {
        let item = Item {
            product_id,
            quantity,
        };
        let command = SetCartItem {
            item,
            expected_version: 0,
        };
        set_cart_item(&self.app, &self.customer, command)
            .await
            .unwrap()
            .version
    }

    /// What is in the cart.
    pub(crate) async fn cart(&self) -> Vec<(ProductId, i32)> {
        let cart = self.app.carts.read(self.customer.account_id).await.unwrap();
        cart.items
            .iter()
            .map(|item| (item.product_id, item.quantity))
            .collect()
    }

    pub(crate) async fn given_pending(&self) -> Order {
        let tent = self.catalog.sell("Tent", eur(42_00));
        self.place(order_of(&[(tent, 1)])).await.unwrap()
    }

    pub(crate) async fn given_reserved(&self) -> Order {
        let order = self.given_pending().await;
        self.stock_reserved(order.id).await.unwrap();
        self.reload(order.id).await
    }

    pub(crate) async fn given_confirmed(&self) -> Order {
        let order = self.given_reserved().await;
        self.captured(captured(&order)).await.unwrap();
        self.reload(order.id).await
    }

    pub(crate) async fn given_shipped(&self) -> Order {
        let order = self.given_confirmed().await;
        ship_order(&self.app, order.id, dhl()).await.unwrap()
    }

    /// An order of three tents and a mug that a carrier has: EUR 135.00.
    pub(crate) async fn given_shipped_camp(&self) -> (Order, ProductId, ProductId) {
        let tent = self.catalog.sell("Tent", eur(42_00));
        let mug = self.catalog.sell("Mug", eur(9_00));
        let placed = self.place(order_of(&[(tent, 3), (mug, 1)])).await.unwrap();
        self.stock_reserved(placed.id).await.unwrap();
        let reserved = self.reload(placed.id).await;
        self.captured(captured(&reserved)).await.unwrap();
        let order = ship_order(&self.app, placed.id, dhl()).await.unwrap();
        (order, tent, mug)
    }

    pub(crate) async fn stock_reserved(&self, id: OrderId) -> Result<Delivered, ConsumeError> {
        let event = event::StockReserved {
            order_id: id.to_string(),
        };
        self.deliver(&OnStockReserved::new(&self.app), event).await
    }

    pub(crate) async fn reservation_overdue(&self, id: OrderId) -> Result<Delivered, ConsumeError> {
        let event = event::ReservationOverdue {
            order_id: id.to_string(),
        };
        self.deliver(&OnReservationOverdue::new(&self.app), event)
            .await
    }

    pub(crate) async fn stock_rejected(&self, id: OrderId) -> Result<Delivered, ConsumeError> {
        let event = event::StockRejected {
            order_id: id.to_string(),
            reason: "STOCK_INSUFFICIENT".to_owned(),
            product_ids: vec![],
        };
        self.deliver(&OnStockRejected::new(&self.app), event).await
    }

    pub(crate) async fn captured(
        &self,
        event: event::PaymentCaptured,
    ) -> Result<Delivered, ConsumeError> {
        self.deliver(&OnPaymentCaptured::new(&self.app), event)
            .await
    }

    pub(crate) async fn failed(
        &self,
        event: event::PaymentFailed,
    ) -> Result<Delivered, ConsumeError> {
        self.deliver(&OnPaymentFailed::new(&self.app), event).await
    }

    pub(crate) async fn refunded(
        &self,
        event: event::PaymentRefunded,
    ) -> Result<Delivered, ConsumeError> {
        self.deliver(&OnPaymentRefunded::new(&self.app), event)
            .await
    }

    async fn deliver<C: Consumer>(
        &self,
        consumer: &C,
        event: C::Event,
    ) -> Result<Delivered, ConsumeError> {
        deliver(&self.app.db, consumer, uuid(), event).await
    }

    /// Has stuck checkouts resumed until there is nothing to do.
    pub(crate) async fn resume_checkouts(&self) {
        let job = ResumeCheckouts::new(&self.app);
        while job.step().await.unwrap() == Progress::More {}
    }

    pub(crate) fn db(&self) -> &Db {
        &self.app.db
    }
}

pub(crate) fn redis_config() -> RedisConfig {
    RedisConfig {
        url: testing::server_url("SOUK_TEST_REDIS_URL").into(),
    }
}

/// A Redis that is not there.
pub(crate) async fn no_redis() -> fred::clients::Pool {
    let url = "redis://127.0.0.1:1".to_owned();
    svc_kit::redis::connect(&RedisConfig { url: url.into() })
        .await
        .unwrap()
}

pub(crate) fn eur(minor: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor)
}

pub(crate) fn uuid() -> Uuid {
    svc_kit::id::generate(&Clock::system())
}

pub(crate) fn dhl() -> Shipment {
    Shipment::parse("DHL", "00340434").unwrap()
}

pub(crate) fn address() -> Address {
    Address {
        recipient: "Ada Lovelace".to_owned(),
        address_lines: vec!["Dorset Street 1".to_owned()],
        locality: "London".to_owned(),
        administrative_area: String::new(),
        postal_code: "W1U 4EE".to_owned(),
        region_code: "GB".to_owned(),
    }
}

/// An order of these products, under a request id of its own.
pub(crate) fn order_of(items: &[(ProductId, i32)]) -> PlaceOrder {
    let item = |&(product_id, quantity): &(ProductId, i32)| Item {
        product_id,
        quantity,
    };
    PlaceOrder {
        request: RequestKey {
            id: uuid(),
            fingerprint: Fingerprint([7; 32]),
        },
        items: items.iter().map(item).collect(),
        shipping_address: address(),
        payment_token: PaymentToken::stored("tok_ok".to_owned()),
        expected_total: None,
        billing_country: None,
    }
}

/// An order of what is in the cart.
pub(crate) fn order_of_cart() -> PlaceOrder {
    order_of(&[])
}

pub(crate) fn captured(order: &Order) -> event::PaymentCaptured {
    event::PaymentCaptured {
        order_id: order.id.to_string(),
        payment_id: order.payment_id.unwrap().to_string(),
        amount: Some(order.total.into()),
    }
}

pub(crate) fn failed(order: &Order) -> event::PaymentFailed {
    event::PaymentFailed {
        order_id: order.id.to_string(),
        payment_id: order.payment_id.unwrap().to_string(),
        reason: "PAYMENT_DECLINED".to_owned(),
    }
}

pub(crate) fn refunded(order: &Order) -> event::PaymentRefunded {
    event::PaymentRefunded {
        order_id: order.id.to_string(),
        payment_id: order.payment_id.unwrap().to_string(),
        refund_id: uuid().to_string(),
        amount: Some(order.total.into()),
        return_id: String::new(),
    }
}

/// Some of an order's money that went back.
pub(crate) fn refunded_part(order: &Order, minor: i64) -> event::PaymentRefunded {
    event::PaymentRefunded {
        amount: Some(eur(minor).into()),
        ..refunded(order)
    }
}

pub(crate) fn reason(error: &Error) -> &'static str {
    svc_kit::error::ServiceError::reason(error)
}

pub(crate) fn kind(error: &Error) -> svc_kit::error::Kind {
    svc_kit::error::ServiceError::kind(error)
}

pub(crate) fn reason_of(order: &Order) -> &str {
    order.cancel_reason.as_ref().unwrap().as_str()
}

pub(crate) fn is_rejected(outcome: &Result<Delivered, ConsumeError>) -> bool {
    matches!(outcome, Err(ConsumeError::Reject(_)))
}

/// The next answer of a stream, or a panic when it takes too long.
pub(crate) async fn next<T>(
    stream: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
) -> Option<Result<T, Error>> {
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .expect("nothing came")
}

/// Waits until something holds.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let condition = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, condition)
        .await
        .expect("it never held");
}

/// Runs so many at the same time.
pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    task: impl Fn(usize) -> F,
) -> Vec<T> {
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (task, barrier) = (task(n), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(count);
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}
