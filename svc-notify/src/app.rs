//! What the use cases work with, and the process around it: built first, run
//! until stopped.

use std::sync::Arc;

use proto::souk::notify::v1::notify_service_server::NotifyServiceServer;
use svc_kit::{
    Shutdown,
    auth::Verifier,
    clock::Clock,
    consumer::Consumers,
    db::{self, Db},
    job,
    nats::Nats,
    parts::Parts,
    server::Server,
};
use tokio::sync::Notify;

use crate::{
    MIGRATIONS,
    channel::Mailer,
    config::Config,
    consumers::{
        OnAccountRegistered, OnOrderCancelled, OnOrderConfirmed, OnOrderReturned, OnOrderShipped,
    },
    grpc::Grpc,
    jobs::{LOOK_EVERY, SEND_WORKERS, SendQueued},
    letter::Templates,
    store::wake,
};

/// What the use cases work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The database of this service.
    pub db: Db,
    /// The words.
    pub templates: Arc<Templates>,
    /// How mail leaves.
    pub mailer: Mailer,
    /// The time.
    pub clock: Clock,
    /// Wakes the workers.
    pub due: Arc<Notify>,
}

/// A process that is ready to run.
#[derive(Debug)]
pub struct Process {
    app: App,
    config: Config,
    nats: Nats,
}

impl App {
    /// Over a database with its tables.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn new(db: Db, mailer: Mailer, clock: Clock) -> anyhow::Result<Self> {
        let templates = Arc::new(Templates::new()?);
        Ok(Self {
            db,
            templates,
            mailer,
            clock,
            due: Arc::default(),
        })
    }

    /// Connects and brings the tables up to date.
    ///
    /// # Errors
    /// When the database is not there, a migration fails, or the configuration
    /// makes no sense.
    pub async fn build(config: Config) -> anyhow::Result<Process> {
        let mailer = Mailer::new(&config.mail)?;
        let db = Db::connect(&config.db).await?;
        db::migrate(&db, &MIGRATIONS).await?;
        let nats = Nats::connect(&config.nats).await?;
        let app = Self::new(db, mailer, Clock::system())?;
        Ok(Process { app, config, nats })
    }
}

impl Process {
    /// Runs server, consumers and workers until told to stop, and lets them
    /// finish what they do. If one of them fails, all stop.
    ///
    /// # Errors
    /// Whatever the first of them failed of.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self { app, config, nats } = self;
        let verifier = Verifier::new(&config.auth, app.clock.clone());
        let db = app.db.clone();
        let server = Server::new("svc-notify", &config.server, verifier)
            .add_service(NotifyServiceServer::new(Grpc::new(app.clone())))
            .ready("postgres", move || {
                let db = db.clone();
                async move { db.ping().await }
            });
        let consumers = Consumers::new(app.db.clone(), nats)
            .add(OnAccountRegistered { app: app.clone() })
            .add(OnOrderConfirmed { app: app.clone() })
            .add(OnOrderCancelled { app: app.clone() })
            .add(OnOrderShipped { app: app.clone() })
            .add(OnOrderReturned { app: app.clone() });

        let mut parts = Parts::new(shutdown.clone())
            .with("server", server.serve(shutdown.clone()))
            .with("consumers", consumers.run(shutdown.clone()))
            .with(
                "wake",
                wake::run(app.db.clone(), app.due.clone(), shutdown.clone()),
            );
        let send = SendQueued::new(app.clone());
        for _ in 0..SEND_WORKERS {
            let worker = send.clone();
            let poke = Some(app.due.clone());
            parts = parts.with("send", job::run(worker, LOOK_EVERY, poke, shutdown.clone()));
        }
        parts.run().await
    }
}
