//! What the use cases work with, and the process around it: built first, run
//! until stopped.

use std::{fmt, sync::Arc};

use proto::souk::payment::v1::payment_service_server::PaymentServiceServer;
use svc_kit::{
    Shutdown,
    auth::Verifier,
    clock::Clock,
    consumer::Consumers,
    db::{self, Db, DbConfig},
    job,
    nats::Nats,
    outbox::Relay,
    parts::Parts,
    server::Server,
};
use tokio::sync::Notify;

use crate::{
    MIGRATIONS,
    config::Config,
    consumers::{OnOrderCancelled, OnOrderReturned, OnPaymentRequested},
    grpc::Grpc,
    jobs::{
        CHARGE_WORKERS, ChargeRequested, ForgetWebhooks, LOOK_EVERY, ProcessWebhooks,
        RECONCILE_EVERY, REFUND_WORKERS, ReconcileDays, RefundCaptured, WEBHOOK_WORKERS,
        forget_webhooks,
    },
    provider::{
        Provider, ProviderName, Providers,
        sandbox::{self, Sandbox},
        stripe::Stripe,
    },
    receive_webhook,
    store::wake,
};

/// What the use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database of this service.
    pub db: Db,
    /// Who takes the money.
    pub providers: Providers,
    /// The time.
    pub clock: Clock,
    /// Wakes the workers.
    pub due: Due,
}

/// Wakes the workers. Clones wake the same ones.
#[derive(Debug, Clone, Default)]
pub struct Due {
    /// Those who charge.
    pub charges: Arc<Notify>,
    /// Those who refund.
    pub refunds: Arc<Notify>,
    /// Those who compare days with the providers.
    pub reconciliations: Arc<Notify>,
    /// Those who look into webhooks.
    pub webhooks: Arc<Notify>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
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
    pub fn new(db: Db, providers: impl Into<Providers>, clock: Clock) -> Self {
        Self {
            db,
            providers: providers.into(),
            clock,
            due: Due::default(),
        }
    }

    /// Connects and brings the tables up to date.
    ///
    /// # Errors
    /// When a setting cannot be used, the database is not there or a migration
    /// fails.
    pub async fn build(config: Config) -> anyhow::Result<Process> {
        let secret = config.stripe.webhook_secret.as_ref();
        anyhow::ensure!(
            secret.is_none_or(|secret| !secret.expose().is_empty()),
            "SOUK_STRIPE_WEBHOOK_SECRET is empty: anybody could sign with that"
        );
        let clock = Clock::system();
        let db = Db::connect(&config.db).await?;
        db::migrate(&db, &MIGRATIONS).await?;
        let providers = providers(&config, &db, &clock).await?;
        let nats = Nats::connect(&config.nats).await?;
        Ok(Process {
            app: Self::new(db, providers, clock),
            config,
            nats,
        })
    }
}

/// The providers that the process is told of.
async fn providers(config: &Config, db: &Db, clock: &Clock) -> anyhow::Result<Providers> {
    let primary = config.payment_provider;
    let fallback = config.payment_fallback_provider;
    anyhow::ensure!(
        fallback != Some(primary),
        "the fallback provider is the provider itself"
    );
    let fallback = match fallback {
        Some(name) => Some(provider(name, config, db, clock).await?),
        None => None,
    };
    Ok(Providers::new(
        provider(primary, config, db, clock).await?,
        fallback,
    ))
}

async fn provider(
    name: ProviderName,
    config: &Config,
    db: &Db,
    clock: &Clock,
) -> anyhow::Result<Arc<dyn Provider>> {
    Ok(match name {
        ProviderName::Sandbox => {
            // Connections of its own: it plays an outside system.
            let config = DbConfig {
                max_connections: sandbox::CONNECTIONS,
                acquire_timeout_ms: sandbox::PATIENCE_MS,
                reader_url: None,
                ..config.db.clone()
            };
            Arc::new(Sandbox::new(Db::connect(&config).await?, clock.clone()))
        }
        ProviderName::Stripe => Arc::new(Stripe::new(&config.stripe, db.clone())?),
    })
}

impl Process {
    /// Runs server, relay, consumers and workers until told to stop, and lets
    /// them finish what they do. If one of them fails, all stop.
    ///
    /// # Errors
    /// Whatever the first of them failed of.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self { app, config, nats } = self;
        let verifier = Verifier::new(&config.auth, app.clock.clone());
        let db = app.db.clone();
        let mut server = Server::new("svc-payment", &config.server, verifier)
            .add_service(PaymentServiceServer::new(Grpc::new(app.clone())))
            .ready("postgres", move || {
                let db = db.clone();
                async move { db.ping().await }
            });
        if let Some(secret) = &config.stripe.webhook_secret {
            server = server.http(receive_webhook::router(app.clone(), secret.clone()));
        }
        let consumers = Consumers::new(app.db.clone(), nats.clone())
            .add(OnPaymentRequested { app: app.clone() })
            .add(OnOrderCancelled { app: app.clone() })
            .add(OnOrderReturned { app: app.clone() });
        let relay = Relay::new(app.db.clone(), nats, app.clock.clone());

        let workers = vec![
            app.due.charges.clone(),
            app.due.refunds.clone(),
            app.due.webhooks.clone(),
        ];
        let mut parts = Parts::new(shutdown.clone())
            .with("server", server.serve(shutdown.clone()))
            .with("consumers", consumers.run(shutdown.clone()))
            .with("relay", relay.run(shutdown.clone()))
            .with("wake", wake::run(app.db.clone(), workers, shutdown.clone()));
        let charge = ChargeRequested::new(app.clone());
        for _ in 0..CHARGE_WORKERS {
            let worker = charge.clone();
            let poke = Some(app.due.charges.clone());
            parts = parts.with(
                "charge",
                job::run(worker, LOOK_EVERY, poke, shutdown.clone()),
            );
        }
        for _ in 0..REFUND_WORKERS {
            let worker = RefundCaptured { app: app.clone() };
            let poke = Some(app.due.refunds.clone());
            parts = parts.with(
                "refund",
                job::run(worker, LOOK_EVERY, poke, shutdown.clone()),
            );
        }
        for _ in 0..WEBHOOK_WORKERS {
            let worker = ProcessWebhooks { app: app.clone() };
            let poke = Some(app.due.webhooks.clone());
            parts = parts.with(
                "webhook",
                job::run(worker, LOOK_EVERY, poke, shutdown.clone()),
            );
        }
        let reconcile = ReconcileDays { app: app.clone() };
        let poke = Some(app.due.reconciliations.clone());
        parts = parts.with(
            "reconcile",
            job::run(reconcile, RECONCILE_EVERY, poke, shutdown.clone()),
        );
        let forget = ForgetWebhooks { app };
        parts = parts.with(
            "forget webhooks",
            job::run(forget, forget_webhooks::EVERY, None, shutdown),
        );
        parts.run().await
    }
}
