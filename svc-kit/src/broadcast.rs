//! Events for everybody: each reader gets all of them, from a time on, and
//! keeps nothing on the server. For processes that hold copies in memory, as
//! every edge does; whoever must not miss one uses a consumer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _};
use proto::events::{Event, stream_of};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    backoff::Backoff,
    nats::{
        Nats,
        headers::{self, Envelope, published},
    },
};

/// How many events may wait for a slow reader.
const BUFFER: usize = 1024;

/// How long to wait before reading again after it failed.
const AFTER_ERROR: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// An event as it came. Its payload may hold personal data: `Debug` tells its
/// size alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it was published: "souk.catalog.product_changed.v1".
    pub subject: String,
    /// The encoded event.
    pub payload: Bytes,
    /// When JetStream stored it.
    pub time: DateTime<Utc>,
    /// When it happened, as its publisher says; if that says nothing, when it
    /// was stored.
    pub happened: DateTime<Utc>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("subject", &self.subject)
            .field("payload_bytes", &self.payload.len())
            .field("time", &self.time)
            .field("happened", &self.happened)
            .finish()
    }
}

impl Message {
    /// The event, if it is of this kind and makes sense.
    pub fn decode<E: Event>(&self) -> Option<E> {
        (self.subject == E::SUBJECT)
            .then(|| E::decode(self.payload.clone()).ok())
            .flatten()
    }
}

/// The events of some subjects, in the order of each subject. It never ends
/// by itself, and resumes after NATS was away where it stopped.
#[derive(Debug)]
pub struct Subscription {
    messages: mpsc::Receiver<Message>,
    _readers: JoinSet<()>,
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_recv(cx)
    }
}

impl Subscription {
    /// The next event; `None` never comes while NATS may.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

/// Reads subjects from a time on. Reading begins whenever NATS is there.
///
/// A subject that no stream of `proto::events` keeps is logged and left out.
#[must_use]
pub fn subscribe(nats: &Nats, subjects: &[&str], from: DateTime<Utc>) -> Subscription {
    let (sender, messages) = mpsc::channel(BUFFER);
    let mut readers = JoinSet::new();
    for subject in subjects {
        let Some(stream) = stream_of(subject) else {
            tracing::error!(subject, "no stream keeps this subject");
            continue;
        };
        let reader = Reader {
            nats: nats.clone(),
            stream: stream.name,
            subject: (*subject).to_owned(),
            from,
            last: None,
            sender: sender.clone(),
        };
        readers.spawn(reader.run());
    }
    Subscription {
        messages,
        _readers: readers,
    }
}

/// Reads one subject.
struct Reader {
    nats: Nats,
    stream: &'static str,
    subject: String,
    from: DateTime<Utc>,
    /// The stream sequence of the last event handed on.
    last: Option<u64>,
    sender: mpsc::Sender<Message>,
}

/// The subscription was dropped.
struct Gone;

impl Reader {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let before = self.last;
            match self.read().await {
                Ok(Gone) => return,
                Err(error) => {
                    failures = if self.last == before { failures + 1 } else { 1 };
                    tracing::warn!(%error, subject = self.subject, failures, "reading again");
                    tokio::time::sleep(AFTER_ERROR.delay(failures)).await;
                }
            }
        }
    }

    /// Reads until something fails.
    async fn read(&mut self) -> Result<Gone, async_nats::Error> {
        self.nats.ready().await;
        let mut connections = self.nats.connections();
        let deliver_policy = self.start().await?;
        let consumer = self
            .nats
            .jetstream()
            .create_consumer_on_stream(
                pull::OrderedConfig {
                    filter_subject: self.subject.clone(),
                    deliver_policy,
                    ..pull::OrderedConfig::default()
                },
                self.stream,
            )
            .await?;
        let mut messages = consumer.messages().await?;
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message.ok_or("the consumer ended")??,
                // What was asked for over the old connection never comes.
                () = connections.another() => return Err("NATS was away".into()),
            };
            let info = message.info()?;
            let (sequence, time) = (info.stream_sequence, published(&info));
            let happened = Envelope::read(message.headers.as_ref()).time;
            let message = Message {
                happened: happened.unwrap_or(time),
                subject: message.subject.to_string(),
                payload: message.payload.clone(),
                time,
            };
            if self.sender.send(message).await.is_err() {
                return Ok(Gone);
            }
            self.last = Some(sequence);
            self.from = time;
        }
    }

    async fn start(&mut self) -> Result<DeliverPolicy, async_nats::Error> {
        if let Some(last) = self.last {
            let stream = self.nats.jetstream().get_stream(self.stream).await?;
            if stream.cached_info().state.last_sequence >= last {
                return Ok(DeliverPolicy::ByStartSequence {
                    start_sequence: last + 1,
                });
            }
            // The stream is not the one we read before: by time, then.
            self.last = None;
        }
        Ok(DeliverPolicy::ByStartTime {
            start_time: headers::server_time(self.from)?,
        })
    }
}
