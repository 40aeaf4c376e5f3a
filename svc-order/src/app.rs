//! The service put together: what its use cases need, and the process that
//! runs them. Built apart from run, so that tests build what they need.

use std::sync::Arc;

use anyhow::Context as _;
use fred::{clients::Pool, types::Builder};
use proto::souk::order::v1::order_service_server::OrderServiceServer;
use svc_kit::{
    Shutdown,
    auth::Verifier,
    client,
    clock::Clock,
    consumer::Consumers,
    db::{self, Db},
    id::AccountId,
    job,
    nats::Nats,
    outbox::Relay,
    parts::Parts,
    server::Server,
};
use tokio::sync::Notify;

use crate::{
    MIGRATIONS,
    checkout::CheckoutRules,
    clients::catalog::Catalog,
    config::Config,
    consumers::{
        OnPaymentCaptured, OnPaymentFailed, OnPaymentRefunded, OnReservationOverdue,
        OnStockRejected, OnStockReserved,
    },
    fraud::Fraud,
    grpc::OrderGrpc,
    hub::Hub,
    jobs::ResumeCheckouts,
    order::OrderId,
    placing::Placing,
    store::{carts::Carts, changes},
    watch::{WatchLimits, Watchers},
};

/// What the use cases need. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Orders.
    pub db: Db,
    /// Carts.
    pub carts: Carts,
    /// Prices.
    pub catalog: Catalog,
    /// Time.
    pub clock: Clock,
    /// How checkouts are resumed.
    pub rules: CheckoutRules,
    /// Who looks at orders before they are placed.
    pub fraud: Fraud,
    /// Tells which orders changed.
    pub order_changes: Hub<OrderId>,
    /// Tells whose carts changed.
    pub cart_changes: Hub<AccountId>,
    /// Counts open streams.
    pub watchers: Watchers,
    /// Writes new orders.
    pub placing: Placing,
    /// Has unfinished checkouts looked at now.
    pub look_at_checkouts: Arc<Notify>,
}

impl App {
    /// An app of parts that are there, without a fraud screen.
    pub fn new(
        db: Db,
        redis: Pool,
        catalog: Catalog,
        clock: Clock,
        rules: CheckoutRules,
        limits: WatchLimits,
    ) -> Self {
        Self {
            placing: Placing::new(db.clone(), clock.clone()),
            db,
            carts: Carts::new(redis),
            catalog,
            clock,
            rules,
            fraud: Fraud::default(),
            order_changes: Hub::new(),
            cart_changes: Hub::new(),
            watchers: Watchers::new(limits),
            look_at_checkouts: Arc::default(),
        }
    }

    /// Connects to everything and brings the tables up to date.
    ///
    /// # Errors
    /// When the database is away or an address is malformed.
    pub async fn build(config: Config) -> anyhow::Result<Process> {
        let db = Db::connect(&config.db).await?;
        db::migrate(&db, &MIGRATIONS).await?;
        let redis = svc_kit::redis::connect(&config.redis).await?;
        let subscriber = svc_kit::redis::builder(&config.redis)?;
        let nats = Nats::connect(&config.nats).await?;
        let secret = config.server.internal_secret.as_ref();
        let catalog =
            client::channel(&config.catalog_url, &config.client, secret).context("svc-catalog")?;
        let clock = Clock::system();
        let verifier = Verifier::new(&config.auth, clock.clone());
        let fraud = config.fraud.screens(&redis, &clock)?;
        let mut app = Self::new(
            db,
            redis,
            Catalog::new(catalog),
            clock,
            config.checkout.rules(),
            config.watch.limits(),
        );
        app.fraud = fraud;
        Ok(Process {
            app,
            config,
            nats,
            verifier,
            subscriber,
        })
    }

    /// Hears of changes in other replicas until told to stop, and then ends
    /// all watches.
    pub async fn tell_watchers(&self, subscriber: &Builder, shutdown: Shutdown) {
        let orders = changes::listen_to_orders(self, &shutdown);
        let carts = changes::listen_to_carts(subscriber, &self.cart_changes, &shutdown);
        let end = async {
            shutdown.stopped().await;
            self.order_changes.close();
            self.cart_changes.close();
        };
        tokio::join!(orders, carts, end);
    }
}

/// A service that is ready to run.
pub struct Process {
    app: App,
    config: Config,
    nats: Nats,
    verifier: Verifier,
    subscriber: Builder,
}

impl Process {
    /// Answers calls, announces and hears events and resumes checkouts until
    /// told to stop.
    ///
    /// # Errors
    /// When an address is taken.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self {
            app,
            config,
            nats,
            verifier,
            subscriber,
        } = self;
        let db = app.db.clone();
        let server = Server::new("svc-order", &config.server, verifier)
            .add_service(OrderServiceServer::new(OrderGrpc::new(app.clone())))
            .ready("postgres", move || {
                let db = db.clone();
                async move { db.ping().await }
            });
        let relay = Relay::new(app.db.clone(), nats.clone(), app.clock.clone());
        let consumers = Consumers::new(app.db.clone(), nats)
            .add(OnStockReserved::new(&app))
            .add(OnStockRejected::new(&app))
            .add(OnReservationOverdue::new(&app))
            .add(OnPaymentCaptured::new(&app))
            .add(OnPaymentFailed::new(&app))
            .add(OnPaymentRefunded::new(&app));
        let checkouts = job::run(
            ResumeCheckouts::new(&app),
            config.checkout.look_every(),
            Some(Arc::clone(&app.look_at_checkouts)),
            shutdown.clone(),
        );
        let stopping = shutdown.clone();
        let watchers = async move {
            app.tell_watchers(&subscriber, stopping).await;
            Ok(())
        };
        Parts::new(shutdown.clone())
            .with("server", server.serve(shutdown.clone()))
            .with("relay", relay.run(shutdown.clone()))
            .with("consumers", consumers.run(shutdown.clone()))
            .with("checkouts", checkouts)
            .with("watchers", watchers)
            .run()
            .await
    }
}
