//! The loop of one consumer: a durable pull consumer on the stream of its
//! subject, read in batches. Whatever happens to NATS, the stream or the
//! consumer's state there, it opens everything again and goes on.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::jetstream::{
    Message,
    consumer::{AckPolicy, Consumer as Durable, DeliverPolicy, pull::Config},
};
use futures::{FutureExt as _, StreamExt as _, stream};
use proto::events::{Event as _, stream_of};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Consumer, HANDLE_TIMEOUT,
    batch::process_all,
    message::{After, process, put_back},
    metrics, pull,
};
use crate::{
    Shutdown,
    backoff::Backoff,
    db::Db,
    fault,
    nats::{Nats, headers::Envelope},
};

/// How many aggregates a consumer works on at once.
const CONCURRENCY: usize = 8;

/// How many transactions all consumers of a service have open at once, so that
/// they leave connections to the callers.
const TRANSACTIONS: usize = 8;

/// After this JetStream delivers a message again that nobody acknowledged.
/// Longer than a handler may take.
const ACK_WAIT: Duration = Duration::from_secs(HANDLE_TIMEOUT.as_secs() + 10);

/// How many messages may be with the replicas of a service at once.
const MAX_ACK_PENDING: i64 = 1024;

/// A consumer that is kept busy takes a batch so often, unless its batches are
/// full. What comes in between goes together: one transaction, one request to
/// JetStream. Who waits for a single event waits for nothing.
const PACE: Duration = Duration::from_millis(5);

/// How often the lag is asked for.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// How long to wait before opening everything again.
const REOPEN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// What the consumers of a service share.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) db: Db,
    pub(super) nats: Nats,
    /// A transaction of a consumer needs one of these.
    pub(super) permits: Arc<Semaphore>,
}

impl Surroundings {
    pub(super) fn new(db: Db, nats: Nats) -> Self {
        Self {
            db,
            nats,
            permits: Arc::new(Semaphore::new(TRANSACTIONS)),
        }
    }
}

/// Consumes until told to stop.
pub(super) async fn run<C: Consumer>(around: Surroundings, consumer: C, shutdown: Shutdown) {
    let mut failures = 0;
    while !shutdown.is_stopped() {
        let mut handled = 0;
        if let Err(error) = consume(&around, &consumer, &shutdown, &mut handled).await {
            failures = if handled > 0 { 1 } else { failures + 1 };
            tracing::warn!(consumer = C::NAME, %error, failures, "consuming again");
            tokio::select! {
                () = shutdown.stopped() => {}
                () = tokio::time::sleep(REOPEN.delay(failures)) => {}
            }
        }
    }
    tracing::debug!(consumer = C::NAME, "stopped");
}

/// Consumes until told to stop, or until something fails.
async fn consume<C: Consumer>(
    around: &Surroundings,
    consumer: &C,
    shutdown: &Shutdown,
    handled: &mut u64,
) -> Result<(), async_nats::Error> {
    tokio::select! {
        () = shutdown.stopped() => return Ok(()),
        () = around.nats.ready() => {}
    }
    let mut connections = around.nats.connections();
    let durable = open::<C>(&around.nats).await?;
    let mut lag = tokio::time::interval(LAG_EVERY);
    lag.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shutdown.is_stopped() {
        if lag.tick().now_or_never().is_some() {
            measure_lag::<C>(&around.nats, &durable).await;
        }
        let batch = pull::next(&durable, &mut connections, shutdown).await?;
        let next = Instant::now()
            + if batch.len() < pull::BATCH {
                PACE
            } else {
                Duration::ZERO
            };
        *handled += batch.len() as u64;
        let left = process_all(around, consumer, batch).await;
        let pause = work_off(around, consumer, left).await.unwrap_or_default();
        tokio::select! {
            () = shutdown.stopped() => {}
            () = tokio::time::sleep_until(next.max(Instant::now() + pause)) => {}
        }
    }
    Ok(())
}

/// Handles messages one by one: an aggregate's messages after each other,
/// aggregates beside each other. Says how long to wait if nothing can be handled now.
async fn work_off<C: Consumer>(
    around: &Surroundings,
    consumer: &C,
    batch: Vec<Message>,
) -> Option<Duration> {
    stream::iter(by_aggregate(batch))
        .map(|messages| async move {
            let mut held_back = None;
            let mut paused = None;
            for message in messages {
                if let Some(pause) = held_back {
                    put_back(&message, pause).await;
                    continue;
                }
                match process(around, consumer, &message).await {
                    After::Next => {}
                    After::HoldBack(pause) => held_back = Some(pause),
                    After::Pause(pause) => {
                        held_back = Some(pause);
                        paused = Some(pause);
                    }
                }
            }
            paused
        })
        .buffer_unordered(CONCURRENCY)
        .fold(None, |longest: Option<Duration>, paused| {
            std::future::ready(longest.max(paused))
        })
        .await
}

fn by_aggregate(batch: Vec<Message>) -> Vec<Vec<Message>> {
    let mut groups: Vec<Vec<Message>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for message in batch {
        let aggregate = Envelope::read(message.headers.as_ref()).aggregate_id;
        let place = *places.entry(aggregate).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(message),
            None => groups.push(vec![message]),
        }
    }
    groups
}

/// Makes sure of the durable consumer.
async fn open<C: Consumer>(nats: &Nats) -> Result<Durable<Config>, async_nats::Error> {
    let stream = stream_of(C::Event::SUBJECT)
        .ok_or_else(|| format!("no stream keeps {}", C::Event::SUBJECT))?;
    let config = Config {
        durable_name: Some(C::NAME.to_owned()),
        filter_subject: C::Event::SUBJECT.to_owned(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: fault::patience(ACK_WAIT),
        // The kit counts attempts itself, and gives up with a dead letter.
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        ..Config::default()
    };
    Ok(nats
        .jetstream()
        .create_consumer_on_stream(config, stream.name)
        .await?)
}

async fn measure_lag<C: Consumer>(nats: &Nats, durable: &Durable<Config>) {
    if !nats.is_connected() {
        return;
    }
    match durable.get_info().await {
        Ok(info) => {
            let lag = i64::try_from(info.num_pending).unwrap_or(i64::MAX);
            metrics::LAG.with_label_values(&[C::NAME]).set(lag);
        }
        Err(error) => tracing::debug!(consumer = C::NAME, %error, "lag unknown"),
    }
}
