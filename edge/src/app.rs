//! The edge as a whole: built first, then run until told to stop.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use svc_kit::{Shutdown, admin::Admin, auth::Verifier, clock::Clock, nats::Nats};
use tokio::sync::watch;

use crate::{
    admin::Desk,
    bounds::Bounds,
    cache::Cache,
    config::Config,
    context::InFlight,
    cors::Cors,
    guard::Guard,
    http_cache::{pages::Pages, through::Through},
    limit::Limits,
    origin::Origin,
    proxy::Edge,
    read_through::ReadThrough,
    revocation::Revocations,
    route::Routes,
    server::Listeners,
    signals::Signals,
    site,
    upstream::{Upstreams, report},
    warm::Warmer,
};

/// The edge, ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    listeners: Listeners,
    upstreams: Upstreams,
    signals: Signals,
    replayed: watch::Receiver<bool>,
    warmer: Warmer,
    limits: Arc<Limits>,
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
        for site in &config.origins {
            site.look_up().await;
        }
        let nats = Nats::connect(&config.nats).await?;
        let verifier = Verifier::new(&config.auth, clock.clone());
        let revocations = Arc::new(Revocations::new());
        let cache = Arc::new(Cache::new(config.cache_bytes, clock.clone()));
        let limits = Arc::new(Limits::new(&config.limits).await?);
        let default_timeout = Duration::from_millis(config.default_timeout_ms);
        let routes = Routes::from_contracts()
            .with_origins(&config.origins)
            .context("SOUK_EDGE_ORIGINS")?;
        let read_through = ReadThrough::new(
            Arc::clone(&cache),
            Origin::new(upstreams.clone()),
            default_timeout,
        );
        let warmer = Warmer::new(
            &config.warm,
            routes.clone(),
            read_through.clone(),
            Arc::clone(&cache),
        )?;
        let edge = Edge {
            routes,
            guard: Guard::new(verifier.clone(), Arc::clone(&revocations), clock.clone()),
            limits: Arc::clone(&limits),
            cors: Cors::new(&config.allowed_origins).context("SOUK_EDGE_ALLOWED_ORIGINS")?,
            trusted_proxies: config.trusted_proxies.clone(),
            patience: config.patience.clone(),
            upstreams: upstreams.clone(),
            read_through,
            through: Through::new(Arc::new(Pages::new(Arc::clone(&cache))), default_timeout),
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
        let (replay, replayed) = watch::channel(false);
        let signals = Signals {
            cache,
            revocations,
            verifier,
            clock,
            replayed: replay,
        };
        Ok(Self {
            config,
            listeners,
            upstreams,
            signals,
            replayed,
            warmer,
            limits,
            nats,
        })
    }

    /// What it knows of limits and of other edges.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
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
            replayed,
            mut warmer,
            limits,
            nats,
        } = self;
        let (up, is_up) = watch::channel(false);
        let counting = Arc::clone(&limits);
        let desk = Desk::new(
            Arc::clone(&signals.cache),
            nats.clone(),
            signals.clock.clone(),
        );
        let admin = Admin::new()
            .routes(report::router(upstreams.clone(), signals.clock.clone()))
            .routes(desk.routes())
            // Not before it knows whom not to let in.
            .ready("revocations", move || {
                let replayed = *replayed.borrow();
                async move {
                    anyhow::ensure!(replayed, "ended sessions are not all known yet");
                    Ok(())
                }
            })
            .ready("listeners", move || {
                let up = *is_up.borrow();
                async move {
                    anyhow::ensure!(up, "not up yet");
                    Ok(())
                }
            })
            .ready("limits", move || {
                let settled = counting.is_settled();
                async move {
                    anyhow::ensure!(settled, "other edges are not heard of yet");
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
                    site::keep_looking_up(&config.origins, shutdown.clone()).await;
                    Ok(())
                },
                async {
                    limits.run(nats.clone(), shutdown.clone()).await;
                    Ok(())
                },
                async {
                    signals.run(nats.clone(), shutdown.clone()).await;
                    Ok(())
                },
                async {
                    warmer.run(shutdown.clone()).await;
                    Ok(())
                },
            )
        };
        let outcome = all.await.map(|_| ());
        shutdown.stop(); // one part failed: the others go, too
        if outcome.is_ok()
            && let Err(error) = warmer.remember()
        {
            tracing::error!(error = format!("{error:#}"), "not remembered");
        }
        outcome
    }
}
