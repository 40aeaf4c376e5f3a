//! The count that the fleet shares, in Redis.
//!
//! It is counted by Redis's own time: edges whose clocks differ would give
//! away each other's tokens. All keys of a class carry one hash tag, so that
//! one script sees all buckets of a request, in a cluster too: there, each
//! class is counted by one node. Leases keep that node's work small.
//!
//! When Redis fails once, no request asks it any more: a probe in the
//! background looks whether it is back. The probe tells Redis of the outage,
//! so that no bucket is full again only because Redis forgot it, or did not
//! hear of it: each then has [`Rate::spare`] left at most.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fred::{
    clients::Pool,
    interfaces::{ClientLike, EventInterface as _, LuaInterface as _},
    types::{config::Options, scripts::Script},
};
use svc_kit::{
    Shutdown,
    redis::{self, RedisConfig},
    secret::Secret,
};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::JoinSet,
};

use super::{
    Stopwatch,
    rate::{Rate, Taken},
};
use crate::metrics;

/// How long between looks whether Redis is back.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// The fleet counts together.
const TOGETHER: u64 = u64::MAX;

/// What the script calls `now`.
const SERVER_TIME: &str = "local time = redis.call('TIME')\n\
                           local now = time[1] * 1000000 + time[2]\n";
/// Takes from buckets; a line that sets `now` comes first.
pub const TAKE: &str = include_str!("take.lua");

/// The shared count.
pub struct Shared {
    /// None: this edge was not told of one.
    redis: Option<Redis>,
    /// Since when this edge counts by itself, or [`TOGETHER`].
    alone_since_us: AtomicU64,
    alone: Notify,
    watch: Stopwatch,
}

struct Redis {
    pool: Pool,
    options: Options,
    script: Script,
    /// What the keys of each class begin with.
    prefixes: Vec<String>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What is asked of one bucket.
#[derive(Debug)]
pub struct Ask {
    /// Its name within the class.
    pub name: String,
    /// How it fills.
    pub rate: Rate,
    /// How many are wanted.
    pub want: u64,
}

/// Redis did not answer, or is known not to.
#[derive(Debug)]
pub struct Away;

impl Shared {
    /// Connects, for some classes. Redis need not be there yet.
    ///
    /// # Errors
    /// When the address is malformed.
    pub async fn connect(
        url: Option<&Secret>,
        timeout: Duration,
        prefixes: Vec<String>,
        watch: Stopwatch,
    ) -> anyhow::Result<Self> {
        let Some(url) = url else {
            // It was never counted elsewhere: nothing to be cautious of.
            return Ok(Self {
                redis: None,
                alone_since_us: AtomicU64::new(0),
                alone: Notify::new(),
                watch,
            });
        };
        let config = RedisConfig { url: url.clone() };
        let shared = Self {
            redis: Some(Redis {
                pool: redis::connect(&config).await?,
                options: Options {
                    timeout: Some(timeout),
                    fail_fast: true,
                    ..Options::default()
                },
                script: Script::from_lua(format!("{SERVER_TIME}{TAKE}")),
                prefixes,
            }),
            alone_since_us: AtomicU64::new(watch.now_us()),
            alone: Notify::new(),
            watch,
        };
        shared.join("").await;
        Ok(shared)
    }

    /// Since when this edge counts by itself; `None` while the fleet counts
    /// together.
    pub fn alone_since_us(&self) -> Option<u64> {
        let since_us = self.alone_since_us.load(Ordering::Relaxed);
        (since_us != TOGETHER).then_some(since_us)
    }

    /// Takes from buckets of a class, from all or, when one has none, from none:
    /// one round trip.
    ///
    /// # Errors
    /// When Redis does not answer in time. It may have counted all the same.
    pub async fn take(&self, class: usize, asks: &[Ask]) -> Result<Vec<Taken>, Away> {
        let Some(redis) = &self.redis else {
            return Err(Away);
        };
        if self.alone_since_us().is_some() {
            return Err(Away);
        }
        let asked = Instant::now();
        let answer = redis.take(class, asks).await;
        metrics::rate_redis(asked.elapsed(), answer.is_ok());
        answer.map_err(|error| {
            self.fall_back(&error);
            Away
        })
    }

    /// Looks after the connection until told to stop.
    pub async fn run(&self, shutdown: Shutdown) {
        metrics::rate_alone(self.alone_since_us().is_some());
        let Some(redis) = &self.redis else {
            return shutdown.stopped().await;
        };
        let lost = Arc::new(Notify::new());
        let _watching = redis.watch(&lost);
        // An edge that begins without Redis has seen no outage: of what was
        // counted before, Redis knows.
        let mut was_together = self.alone_since_us().is_none();
        loop {
            let pause = async {
                match self.alone_since_us() {
                    Some(_) => tokio::time::sleep(PROBE_EVERY).await,
                    None => self.alone.notified().await,
                }
            };
            tokio::select! {
                () = shutdown.stopped() => return,
                // An edge without requests must know of it as well.
                () = lost.notified() => self.fall_back("a connection was lost"),
                () = pause => {
                    if self.alone_since_us().is_some() {
                        self.join(if was_together { "outage" } else { "" }).await;
                    }
                    was_together |= self.alone_since_us().is_none();
                }
            }
        }
    }

    /// Counts with the fleet, if Redis answers.
    async fn join(&self, mode: &str) {
        let Some(redis) = &self.redis else { return };
        match redis.load(mode).await {
            Ok(()) => {
                self.alone_since_us.store(TOGETHER, Ordering::Relaxed);
                metrics::rate_alone(false);
                tracing::info!("limits are counted in Redis");
            }
            Err(error) => tracing::debug!(error, "Redis is still away"),
        }
    }

    fn fall_back(&self, error: &str) {
        let fell = self.alone_since_us.compare_exchange(
            TOGETHER,
            self.watch.now_us(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if fell.is_ok() {
            metrics::rate_alone(true);
            tracing::warn!(error, "Redis is away; this edge counts its share of limits");
            self.alone.notify_one();
        }
    }
}

impl Redis {
    async fn take(&self, class: usize, asks: &[Ask]) -> Result<Vec<Taken>, String> {
        let prefix = self.prefixes.get(class).map_or("", String::as_str);
        let mut keys = vec![format!("{prefix}:outage")];
        let mut args = vec![String::new()];
        for ask in asks {
            keys.push(format!("{prefix}:{}", ask.name));
            let rate = ask.rate;
            let numbers = [rate.interval_us(), rate.burst(), rate.spare(), ask.want];
            args.extend(numbers.map(|number| number.to_string()));
        }
        let client = self.pool.next().with_options(&self.options);
        let answer: Vec<u64> = client
            .evalsha(self.script.sha1().clone(), keys, args)
            .await
            .map_err(|error| error.to_string())?;
        if answer.len() != 2 * asks.len() {
            return Err("the script's answer makes no sense".to_owned());
        }
        let taken = answer.chunks_exact(2).map(|pair| Taken {
            granted: pair[0],
            used_us: pair[1],
        });
        Ok(taken.collect())
    }

    /// Makes sure that all connections are up and that the script is known
    /// where each class is counted.
    async fn load(&self, mode: &str) -> Result<(), String> {
        if !self.pool.clients().iter().all(ClientLike::is_connected) {
            return Err("not connected".to_owned());
        }
        let script = self.script.lua().cloned().unwrap_or_default();
        for prefix in &self.prefixes {
            let client = self.pool.next().with_options(&self.options);
            let _: Vec<u64> = client
                .eval(script.clone(), format!("{prefix}:outage"), mode)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Tells when a connection was lost.
    fn watch(&self, lost: &Arc<Notify>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for client in self.pool.clients() {
            let mut errors = client.error_rx();
            let lost = Arc::clone(lost);
            tasks.spawn(async move {
                while !matches!(errors.recv().await, Err(RecvError::Closed)) {
                    lost.notify_one();
                }
            });
        }
        tasks
    }
}
