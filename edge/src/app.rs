//! The edge as a whole: built first, then run until told to stop.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use svc_kit::{Shutdown, admin::Admin, auth::Verifier, clock::Clock, nats::Nats};
use tokio::sync::watch;

use crate::{
    bounds::Bounds,
    cache::Cache,
    config::Config,
    context::InFlight,
    cors::Cors,
    guard::Guard,
    limit::Limits,
    origin::Origin,
    proxy::Edge,
    read_through::ReadThrough,
    revocation::Revocations,
    route::Routes,
    server::Listeners,
    signals::Signals,
    upstream::{Upstreams, report},
};

/// The edge, ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    listeners: Listeners,
    upstreams: Upstreams,
    signals: Signals,
    nats: Nats,
}

impl App {
    /// Builds the edge. Services and NATS need not be there yet.
    ///
    /// # Errors
    /// When the configuration makes no sense or an address is taken.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        Self::build_at(config, Clock::system()).await
    }

    /// Builds the edge with a clock of the caller's.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn build_at(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let upstreams = Upstreams::new(&config.upstreams)?;
        upstreams.look_up().await;
        let nats = Nats::connect(&config.nats).await?;
        let verifier = Verifier::new(&config.auth, clock.clone());
        let revocations = Arc::new(Revocations::new());
        let cache = Arc::new(Cache::new(config.cache_bytes, clock.clone()));
        let default_timeout = Duration::from_millis(config.default_timeout_ms);
        let edge = Edge {
            routes: Routes::from_contracts(),
            guard: Guard::new(verifier.clone(), Arc::clone(&revocations), clock.clone()),
            limits: Limits::new(&config.limits),
            cors: Cors::new(&config.allowed_origins).context("SOUK_EDGE_ALLOWED_ORIGINS")?,
            trusted_proxies: config.trusted_proxies.clone(),
            upstreams: upstreams.clone(),
            read_through: ReadThrough::new(
                Arc::clone(&cache),
                Origin::new(upstreams.clone()),
                default_timeout,
            ),
            bounds: Bounds {
                max_body_bytes: config.max_body_bytes,
                default_timeout,
                watch_idle_timeout: Duration::from_secs(config.watch_idle_seconds),
                upload_idle_timeout: Duration::from_secs(config.upload_idle_seconds),
            },
            in_flight: InFlight::default(),
        };
        let listeners = Listeners::new(&config, edge)?;
        // The keys are there when the first token comes, if svc-identity is.
        verifier.refresh().await;
        let signals = Signals {
            cache,
            revocations,
            verifier,
            clock,
        };
        Ok(Self {
            config,
            listeners,
            upstreams,
            signals,
            nats,
        })
    }

    /// Runs until told to stop, or until a part of it fails.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self {
            config,
            listeners,
            upstreams,
            signals,
            nats,
        } = self;
        let (up, is_up) = watch::channel(false);
        let admin = Admin::new()
            .http(report::router(upstreams.clone(), signals.clock.clone()))
            .ready("listeners", move || {
                let up = *is_up.borrow();
                async move {
                    anyhow::ensure!(up, "not up yet");
                    Ok(())
                }
            })
            .serve(config.admin_listen, shutdown.clone());
        let all = async {
            tokio::try_join!(
                admin,
                listeners.run(up, shutdown.clone()),
                async {
                    upstreams.keep_watch(shutdown.clone()).await;
                    Ok(())
                },
                async {
                    signals.run(nats, shutdown.clone()).await;
                    Ok(())
                },
            )
        };
        let outcome = all.await.map(|_| ());
        shutdown.stop(); // one part failed: the others go, too
        outcome
    }
}
