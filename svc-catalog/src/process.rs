//! The process: what it connects to, and what runs in it.

use std::{sync::Arc, time::Duration};

use svc_kit::{
    Shutdown,
    auth::Verifier,
    clock::Clock,
    consumer::Consumers,
    db::{self, Db},
    job,
    nats::Nats,
    outbox::Relay,
    parts::Parts,
    redis,
    server::Server,
};
use tokio::sync::Notify;

use crate::{
    MIGRATIONS,
    app::App,
    cache::ProductCache,
    config::Config,
    consumers::{
        OnOrderCancelled, OnOrderConfirmed, OnOrderPlaced, OnOrderReturned, OnProductChangedCache,
        OnProductChangedSearch,
    },
    grpc::CatalogGrpc,
    jobs::{ChaseReservations, IndexProducts, RepairCache},
    search::{Indexer, Meilisearch, MeilisearchEngine, PostgresEngine, Search, WithFallback},
};

const NAME: &str = "svc-catalog";

/// Parts our keys in Redis from those of other services.
const CACHE_PREFIX: &str = "catalog";

/// How often reservations are looked through for those held too long.
const CHASE_EVERY: Duration = Duration::from_secs(5);

/// How often the cache's repairs are tried; a change pokes them, too.
const REPAIR_EVERY: Duration = Duration::from_secs(1);

/// How often the search server is looked after; a change pokes that, too.
const INDEX_EVERY: Duration = Duration::from_secs(2);

/// All that runs in one process.
pub struct Process {
    config: Config,
    app: App,
    nats: Nats,
    indexer: Option<Indexer>,
}

impl Process {
    /// Connects and brings the tables up to date.
    ///
    /// # Errors
    /// When the database cannot be reached, or the configuration is wrong.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let clock = Clock::system();
        let db = Db::connect(&config.db).await?;
        db::migrate(&db, &MIGRATIONS).await?;
        let cache = ProductCache::new(redis::connect(&config.redis).await?, CACHE_PREFIX);
        let nats = Nats::connect(&config.nats).await?;
        let postgres = PostgresEngine::new(db.clone());
        let (search, indexer) = match &config.meilisearch.meili_url {
            None => {
                tracing::info!("no search server: search is answered from Postgres");
                (Search::Postgres(postgres), None)
            }
            Some(url) => {
                let meilisearch = &config.meilisearch;
                let key = meilisearch.meili_key.as_ref();
                let server = Meilisearch::new(url, key, &meilisearch.meili_index)?;
                let engine = MeilisearchEngine::new(server.clone());
                let search = Search::Meilisearch(WithFallback::new(engine, postgres));
                (
                    search,
                    Some(Indexer::new(db.clone(), clock.clone(), server)),
                )
            }
        };
        let app = App {
            db,
            cache,
            search,
            clock,
            reservation_ttl: Duration::from_secs(config.reservation_ttl_seconds),
            repair: Arc::new(Notify::new()),
            reindex: Arc::new(Notify::new()),
        };
        Ok(Self {
            config,
            app,
            nats,
            indexer,
        })
    }

    /// Answers, announces, hears and reconciles, until told to stop.
    ///
    /// # Errors
    /// When an address is taken, or a part fails for good.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self {
            config,
            app,
            nats,
            indexer,
        } = self;
        let db = app.db.clone();
        let verifier = Verifier::new(&config.auth, app.clock.clone());
        let server = Server::new(NAME, &config.server, verifier)
            .add_service(CatalogGrpc::new(app.clone()).into_server())
            .ready("postgres", move || {
                let db = db.clone();
                async move { db.ping().await }
            })
            .serve(shutdown.clone());

        let relay = Relay::new(app.db.clone(), nats.clone(), app.clock.clone());
        let mut consumers = Consumers::new(app.db.clone(), nats)
            .add(OnOrderPlaced { app: app.clone() })
            .add(OnOrderCancelled { app: app.clone() })
            .add(OnOrderConfirmed { app: app.clone() })
            .add(OnOrderReturned { app: app.clone() })
            .add(OnProductChangedCache { app: app.clone() });
        if indexer.is_some() {
            consumers = consumers.add(OnProductChangedSearch { app: app.clone() });
        }
        let chase = job::run(
            ChaseReservations { app: app.clone() },
            CHASE_EVERY,
            None,
            shutdown.clone(),
        );
        let repair = job::run(
            RepairCache { app: app.clone() },
            REPAIR_EVERY,
            Some(app.repair.clone()),
            shutdown.clone(),
        );
        let mut parts = Parts::new(shutdown.clone())
            .with("server", server)
            .with("relay", relay.run(shutdown.clone()))
            .with("consumers", consumers.run(shutdown.clone()))
            .with("chase_reservations", chase)
            .with("repair_cache", repair);
        if let Some(indexer) = indexer {
            let poke = Some(app.reindex.clone());
            let index = job::run(IndexProducts { indexer }, INDEX_EVERY, poke, shutdown);
            parts = parts.with("index_products", index);
        }
        parts.run().await
    }
}
