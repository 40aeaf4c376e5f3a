//! Publishes the outbox: in order, at least once, and deletes only what
//! JetStream has acknowledged. One relay of a service publishes at a time.

use std::{sync::LazyLock, time::Duration};

use async_nats::jetstream::context::PublishError;
use prometheus::{IntCounterVec, IntGaugeVec};
use sqlx::postgres::PgListener;
use tokio::sync::Mutex;

use super::{
    leader::{self, Leader},
    publish, store,
};
use crate::{
    Shutdown,
    backoff::Backoff,
    clock::Clock,
    db::Db,
    error,
    fault::{self, Point},
    metrics,
    nats::Nats,
};

/// How many rows a step takes.
const BATCH: u32 = 256;

/// How long a relay that sleeps waits for a notification before it looks all
/// the same.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How often a relay that is awake looks: soon after it found something, then
/// ever later, and after so many looks in vain it sleeps. What is written
/// between two looks is published together.
const LOOK_LEAST: Duration = Duration::from_millis(2);
const LOOK_MOST: Duration = Duration::from_millis(50);
const LOOKS: u32 = 10;

/// How often a relay that does not lead asks to.
const ELECT_EVERY: Duration = Duration::from_millis(500);

/// How long a relay waits after it failed.
const AFTER_ERROR: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

static PUBLISHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "outbox_published_total",
        "Events published, by subject.",
        &["subject"],
    )
});

static OLDEST: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "outbox_oldest_age_milliseconds",
        "Age of the oldest event that is not published; told by the relay that leads.",
        &[],
    )
});

/// What a relay can run into. None of it loses an event.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database refused or is away.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// NATS is away.
    #[error("NATS is away")]
    NatsAway,
    /// JetStream did not acknowledge an event.
    #[error("publish to {subject}")]
    Publish {
        /// Where it was to go.
        subject: String,
        /// What JetStream said.
        source: PublishError,
    },
}

/// Moves events from a service's outbox to JetStream. All replicas of a
/// service run one; the one with the lock works, the others wait for it.
pub struct Relay {
    db: Db,
    nats: Nats,
    clock: Clock,
    leader: Mutex<Option<Leader>>,
}

/// What a step came to.
enum Step {
    Published(usize),
    NotLeading,
}

/// How long to wait for the next step.
enum Rest {
    Not,
    For(Duration),
    AfterError(Duration),
}

impl Relay {
    /// A relay that does nothing yet.
    pub fn new(db: Db, nats: Nats, clock: Clock) -> Self {
        Self {
            db,
            nats,
            clock,
            leader: Mutex::new(None),
        }
    }

    /// Publishes one batch and deletes what was acknowledged. Returns how many
    /// that were: zero when there is nothing, or when another relay leads.
    /// From the first step that leads on, this relay leads for as long as it
    /// and its connection live.
    ///
    /// # Errors
    /// When something is left behind that should have been published; the next
    /// step tries it again.
    pub async fn step(&self) -> Result<usize, RelayError> {
        match self.take_step().await? {
            Step::Published(count) => Ok(count),
            Step::NotLeading => Ok(0),
        }
    }

    /// Publishes until told to stop.
    ///
    /// # Errors
    /// None: what it runs into is logged, and tried again.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        let mut listener = None;
        let mut connections = self.nats.connections();
        // Looks in a row that found nothing, and that failed.
        let (mut vain, mut failures) = (0, 0);
        while !shutdown.is_stopped() {
            let outcome = match self.take_step().await {
                Ok(Step::Published(0)) => {
                    vain += 1;
                    if listener.is_none() {
                        listener = self.listen().await;
                        if listener.is_some() {
                            // Once more, for what was committed before.
                            continue;
                        }
                    }
                    self.rest(vain, listener.is_some()).await
                }
                Ok(Step::Published(count)) => {
                    vain = 0;
                    // A full batch: more is waiting.
                    let rest = if count < BATCH as usize {
                        Rest::For(LOOK_LEAST)
                    } else {
                        Rest::Not
                    };
                    self.stay_awake().await.map(|()| rest)
                }
                Ok(Step::NotLeading) => {
                    listener = None;
                    Ok(Rest::For(ELECT_EVERY))
                }
                Err(error) => Err(error),
            };
            if outcome.is_err() {
                // It looks again by itself; nobody has to notify it meanwhile. If
                // that fails, they do.
                let _awake = self.stay_awake().await;
            }
            let rest = outcome.unwrap_or_else(|error| {
                failures += 1;
                let pause = AFTER_ERROR.delay(failures);
                tracing::warn!(
                    error = error::chain(&error),
                    failures,
                    pause_ms = pause.as_millis(),
                    "outbox not published"
                );
                Rest::AfterError(pause)
            });
            match rest {
                Rest::Not => failures = 0,
                Rest::For(pause) => {
                    failures = 0;
                    tokio::select! {
                        () = shutdown.stopped() => {}
                        () = woken(&mut listener) => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                Rest::AfterError(pause) => {
                    tokio::select! {
                        () = shutdown.stopped() => {}
                        () = connections.another() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
        Ok(())
    }

    async fn stay_awake(&self) -> Result<(), RelayError> {
        let mut held = self.leader.lock().await;
        if let Some(mut leader) = held.take() {
            leader.wake().await?;
            *held = Some(leader);
        }
        Ok(())
    }

    /// What to do after some looks in vain: stay awake for a while, then sleep
    /// if somebody would notify us.
    async fn rest(&self, vain: u32, listening: bool) -> Result<Rest, RelayError> {
        let mut held = self.leader.lock().await;
        let Some(mut leader) = held.take() else {
            return Ok(Rest::For(ELECT_EVERY));
        };
        let rest = if !leader.is_awake() {
            Rest::For(if listening { POLL_EVERY } else { LOOK_MOST })
        } else if vain > LOOKS && listening {
            leader.sleep().await?;
            // Once more, for what was committed before we slept.
            Rest::Not
        } else {
            Rest::For(LOOK_LEAST.saturating_mul(vain).min(LOOK_MOST))
        };
        *held = Some(leader);
        Ok(rest)
    }

    async fn listen(&self) -> Option<PgListener> {
        leader::listen(&self.db)
            .await
            .inspect_err(|error| tracing::warn!(%error, "not listening for commits, polling"))
            .ok()
    }

    async fn take_step(&self) -> Result<Step, RelayError> {
        let mut held = self.leader.lock().await;
        // Taken out, so that a leader whose connection failed is dropped, and
        // with it the lock.
        let mut leader = match held.take() {
            Some(leader) => leader,
            None => match Leader::elect(&self.db).await? {
                Some(leader) => {
                    tracing::info!("this relay leads");
                    leader
                }
                None => return Ok(Step::NotLeading),
            },
        };
        let rows = store::oldest(&mut leader.connection, BATCH).await?;
        let age = rows.first().map_or(0, |row| {
            (self.clock.now() - row.create_time).num_milliseconds()
        });
        OLDEST.with_label_values::<&str>(&[]).set(age);
        if !rows.is_empty() {
            fault::passed(Point::OutboxAfterRead);
        }
        let (acknowledged, failed) = publish::in_order(&self.nats, rows).await;
        if !acknowledged.is_empty() {
            let ids: Vec<_> = acknowledged.iter().map(|row| row.id).collect();
            fault::passed(Point::OutboxAfterPublish);
            store::delete(&mut leader.connection, &ids).await?;
            fault::passed(Point::OutboxAfterDelete);
            for row in &acknowledged {
                PUBLISHED.with_label_values(&[&row.subject]).inc();
            }
        }
        *held = Some(leader);
        match failed {
            Some(error) => Err(error),
            None => Ok(Step::Published(acknowledged.len())),
        }
    }
}

/// Returns when a transaction has put something in the outbox. A listener that
/// broke is given up; the next round makes another.
async fn woken(listener: &mut Option<PgListener>) {
    let Some(open) = listener else {
        return std::future::pending().await;
    };
    // `None` is a connection that was lost and made again: look then, too.
    match open.try_recv().await {
        // One look is enough for all of them.
        Ok(_) => while open.next_buffered().is_some() {},
        Err(error) => {
            tracing::warn!(%error, "no longer listening for commits");
            *listener = None;
        }
    }
}
