//! The edge as a whole: built first, then run until told to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use svc_kit::{Shutdown, admin::Admin, auth::Verifier, clock::Clock, nats::Nats};
use tokio::{sync::watch, time::timeout};

use crate::{
    access_log::{self, AccessLog},
    admin::Desk,
    bounds::Bounds,
    cache::{Cache, folder::Folder},
    config::Config,
    context::InFlight,
    cors::Cors,
    guard::Guard,
    handover::{Successors, TakenOver, take_over},
    http_cache::{pages::Pages, through::Through},
    limit::{Limits, config::LimitConfig},
    live::Live,
    origin::Origin,
    proxy::Edge,
    read_through::ReadThrough,
    reload::Reload,
    revocation::Revocations,
    route::Routes,
    server::{Listeners, UPSTREAM_POOL_SIZE},
    short_way::ShortWay,
    signals::Signals,
    site,
    sockets::{Purpose, Socket},
    streams::Streams,
    tls::Certificates,
    upstream::{UpstreamConfig, Upstreams, report},
    warm::Warmer,
};

/// How long a new process may take to hear which sessions have ended, before
/// it leaves callers to the older one.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// The edge, ready to run.
#[derive(Debug)]
pub struct App {
    config: Config,
    sockets: Vec<Socket>,
    admin: Socket,
    predecessor: Option<TakenOver>,
    certificates: Option<Arc<Certificates>>,
    reload: Reload,
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
    pub async fn build_at(mut config: Config, clock: Clock) -> anyhow::Result<Self> {
        let upstreams = Upstreams::new(&config.upstreams)?;
        upstreams.look_up().await;
        for site in &mut config.origins {
            *site = site.with_places(config.max_requests_per_origin);
            site.look_up().await;
        }
        let nats = Nats::connect(&config.nats).await?;
        let verifier = Verifier::new(&config.auth, clock.clone());
        let revocations = Arc::new(Revocations::new());
        let cache = Arc::new(cache(&config, &clock)?);
        let limits = Arc::new(Limits::new(&config.limits).await?);
        let default_timeout = Duration::from_millis(config.default_timeout_ms);
        let cors = Live::new(cors(&config)?);
        let trusted_proxies = Live::new(config.trusted_proxies.clone());
        let access_log = Live::new(AccessLog::new(&config.access_log));
        config.source.tell_overridden();
        let mut reload = Reload::new(&config);
        reload.live(&["allowed-origins"], &cors, self::cors);
        reload.live(&["trusted-proxies"], &trusted_proxies, |config| {
            Ok(config.trusted_proxies.clone())
        });
        reload.live(access_log::KEYS, &access_log, |config| {
            Ok(AccessLog::new(&config.access_log))
        });
        reload.part(UpstreamConfig::LIVE_KEYS, {
            let upstreams = upstreams.clone();
            move |config| upstreams.retarget(&config.upstreams)
        });
        reload.part(LimitConfig::LIVE_KEYS, {
            let limits = Arc::clone(&limits);
            move |config| {
                let (limits, config) = (Arc::clone(&limits), config.limits.clone());
                Ok(Box::new(move || limits.change(&config)))
            }
        });
        let certificates = certificates(&config, &clock, &mut reload)?;
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
            cors,
            trusted_proxies,
            patience: config.patience.clone(),
            access_log,
            upstreams: upstreams.clone(),
            read_through,
            through: Through::new(Arc::new(Pages::new(Arc::clone(&cache))), default_timeout),
            short_way: ShortWay::new(UPSTREAM_POOL_SIZE),
            bounds: Bounds {
                max_body_bytes: config.max_body_bytes,
                default_timeout,
                watch_idle_timeout: Duration::from_secs(config.watch_idle_seconds),
                upload_idle_timeout: Duration::from_secs(config.upload_idle_seconds),
            },
            streams: Streams::default(),
            in_flight: InFlight::default(),
        };
        // Last of all: until here nothing is taken from anybody.
        let mut predecessor = config
            .upgrade_socket
            .as_deref()
            .map(take_over)
            .transpose()?
            .flatten();
        let (sockets, admin) = open(&config, predecessor.as_mut())?;
        let listeners = Listeners::new(&config, edge, &sockets, certificates.as_ref())?;
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
            sockets,
            admin,
            predecessor,
            certificates,
            reload,
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

    /// Runs until told to stop, until a new process has taken over, or until a
    /// part of it fails.
    ///
    /// # Errors
    /// When a part of it fails.
    pub async fn run_until_stopped(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let Self {
            config,
            mut sockets,
            admin: admin_socket,
            predecessor,
            certificates,
            reload,
            listeners,
            upstreams,
            signals,
            replayed,
            mut warmer,
            limits,
            nats,
        } = self;
        let (up, is_up) = watch::channel(false);
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.address).collect();
        // While requests are finished we go on to hear of changes, and to tell
        // how we do, unless a successor tells how it does.
        let (ended, admin_ended) = (Shutdown::new(), Shutdown::new());
        let succeeded = AtomicBool::new(false);
        let caught_up = predecessor.is_some().then(|| replayed.clone());
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
            .ready("listeners", {
                let is_up = is_up.clone();
                move || {
                    let up = *is_up.borrow();
                    async move {
                        anyhow::ensure!(up, "not up, or about to stop");
                        Ok(())
                    }
                }
            })
            .ready("limits", move || {
                let settled = counting.is_settled();
                async move {
                    anyhow::ensure!(settled, "other edges are not heard of yet");
                    Ok(())
                }
            })
            .serve_on(admin_socket.listener()?, admin_ended.clone());
        sockets.push(admin_socket);
        let succession = async {
            let mut is_up = is_up;
            if is_up.wait_for(|up| *up).await.is_err() {
                return Ok(()); // the listeners never came up, which is told elsewhere
            }
            let successors = config
                .upgrade_socket
                .as_deref()
                .map(Successors::listen)
                .transpose()?;
            tracing::info!(?addresses, "listening");
            if let Some(Err(error)) = predecessor.map(TakenOver::ready) {
                tracing::warn!(%error, "the older process is gone already");
            }
            let Some(successors) = successors else {
                drop(sockets); // nobody will ask for them
                return Ok(());
            };
            tokio::select! {
                () = shutdown.stopped() => successors.close(),
                () = successors.succeeded(&sockets) => {
                    tracing::info!("a successor has come up; stopping");
                    succeeded.store(true, Ordering::Relaxed);
                    admin_ended.stop();
                    shutdown.stop();
                }
            }
            drop(sockets);
            anyhow::Ok(())
        };
        let read_certificates = {
            let certificates = certificates.clone();
            move || {
                if let Some(certificates) = &certificates {
                    certificates.read_again();
                }
            }
        };
        let all = async {
            tokio::try_join!(
                admin,
                succession,
                reload.on_signal(read_certificates, ended.clone()),
                async {
                    if is_caught_up(caught_up, &shutdown).await? {
                        listeners
                            .run(up, shutdown.clone(), || succeeded.load(Ordering::Relaxed))
                            .await?;
                    } else {
                        drop(up);
                    }
                    ended.stop();
                    admin_ended.stop();
                    Ok(())
                },
                async {
                    if let Some(certificates) = certificates {
                        certificates.keep_reading(ended.clone()).await;
                    }
                    Ok(())
                },
                async {
                    upstreams.keep_watch(ended.clone()).await;
                    Ok(())
                },
                async {
                    site::keep_looking_up(&config.origins, ended.clone()).await;
                    Ok(())
                },
                async {
                    limits.run(nats.clone(), ended.clone()).await;
                    Ok(())
                },
                async {
                    signals.run(nats.clone(), ended.clone()).await;
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

/// Who takes callers over from another process knows first whom that one would
/// not let in. False: told to stop before.
async fn is_caught_up(
    replayed: Option<watch::Receiver<bool>>,
    shutdown: &Shutdown,
) -> anyhow::Result<bool> {
    let Some(mut replayed) = replayed else {
        return Ok(true);
    };
    tokio::select! {
        () = shutdown.stopped() => Ok(false),
        caught_up = timeout(CATCH_UP_TIMEOUT, replayed.wait_for(|replayed| *replayed)) => {
            caught_up.context("ended sessions are not all known in time")??;
            Ok(true)
        }
    }
}

fn cors(config: &Config) -> anyhow::Result<Cors> {
    Cors::new(&config.allowed_origins).context("SOUK_EDGE_ALLOWED_ORIGINS")
}

fn cache(config: &Config, clock: &Clock) -> anyhow::Result<Cache> {
    let (bytes, clock) = (config.cache_bytes, clock.clone());
    let Some(dir) = &config.cache_disk_dir else {
        return Ok(Cache::new(bytes, clock));
    };
    let folder = Folder::create(dir, config.cache_disk_bytes)
        .with_context(|| format!("SOUK_EDGE_CACHE_DISK_DIR {}", dir.display()))?;
    Cache::with_folder(bytes, folder, clock)
}

fn certificates(
    config: &Config,
    clock: &Clock,
    reload: &mut Reload,
) -> anyhow::Result<Option<Arc<Certificates>>> {
    if config.https_listen.is_none() {
        return Ok(None);
    }
    let certificates = Certificates::load(&config.tls_cert, &config.tls_key, clock.clone())?;
    reload.part(&["tls-cert", "tls-key"], {
        let certificates = Arc::clone(&certificates);
        move |config| {
            let apply = certificates.prepare(&config.tls_cert, &config.tls_key)?;
            Ok(Box::new(apply))
        }
    });
    Ok(Some(certificates))
}

/// The sockets for callers, and that for administration. What an older process
/// listened on in vain is closed.
fn open(
    config: &Config,
    predecessor: Option<&mut TakenOver>,
) -> anyhow::Result<(Vec<Socket>, Socket)> {
    let mut inherited = predecessor.map_or_else(Vec::new, |old| std::mem::take(&mut old.listeners));
    let mut open = |purpose, address| Socket::open(purpose, address, &mut inherited);
    let mut sockets = Vec::new();
    if let Some(address) = config.http_listen {
        sockets.push(open(Purpose::Http, address)?);
    }
    if let Some(address) = config.https_listen {
        sockets.push(open(Purpose::Https, address)?);
    }
    let admin = open(Purpose::Admin, config.admin_listen).context("for administration")?;
    Ok((sockets, admin))
}
