//! Reads one subject of a stream, again and again. It knows how far it came,
//! and resumes there; it must never take a stream for another one.

use std::{convert::Infallible, time::Duration};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::Info,
};
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use proto::events::Stream;
use tokio::sync::mpsc;

use super::Message;
use crate::{
    backoff::Backoff,
    nats::{
        Nats,
        headers::{self, Envelope, published},
    },
};

/// How long to wait before reading again after it failed.
const AFTER_ERROR: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// How often NATS tells a reader who waits that it is still there. After twice
/// that time without a word we count as cut off.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// How long one request for events lasts.
const EXPIRES: Duration = Duration::from_secs(30);

/// How long NATS remembers a reader that is gone.
const INACTIVE: Duration = Duration::from_mins(1);

/// How long the next of the events that are there may take.
const NEXT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a reader has to say.
#[derive(Debug)]
pub(super) struct Note {
    /// The number of the reader.
    pub(super) reader: usize,
    pub(super) news: News,
}

#[derive(Debug)]
pub(super) enum News {
    Message(Message),
    /// Whether all that the stream holds has been handed on.
    CaughtUp(bool),
    /// The stream no longer holds all that came while nobody read.
    Missed,
}

/// Reads one subject.
pub(super) struct Reader {
    number: usize,
    nats: Nats,
    stream: Stream,
    subject: String,
    /// Where to begin.
    from: DateTime<Utc>,
    /// How far it came.
    read: Option<Place>,
    caught_up: bool,
    notes: mpsc::Sender<Note>,
}

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// When the stream was made: another one may have its name and numbers.
    created: DateTime<Utc>,
    /// Of the subject nothing is left to be read up to here.
    sequence: u64,
}

impl Place {
    /// The last place of a stream.
    fn end(stream: &Info) -> Self {
        Self {
            created: headers::stored(stream.created),
            sequence: stream.state.last_sequence,
        }
    }

    /// Before all that a stream still holds, when that begins at `first`.
    fn before(first: u64, end: Self) -> Self {
        Self {
            sequence: first.saturating_sub(1),
            ..end
        }
    }

    /// Whether a stream that goes from `first` to `end` holds all that came
    /// after this place.
    fn is_followed(self, first: u64, end: Self) -> bool {
        self.created == end.created && self.sequence <= end.sequence && self.sequence + 1 >= first
    }
}

impl Reader {
    pub(super) fn new(
        number: usize,
        nats: &Nats,
        stream: Stream,
        subject: &str,
        from: DateTime<Utc>,
        notes: mpsc::Sender<Note>,
    ) -> Self {
        Self {
            number,
            nats: nats.clone(),
            stream,
            subject: subject.to_owned(),
            from,
            read: None,
            caught_up: false,
            notes,
        }
    }

    /// Reads until nobody listens any more.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let before = self.read;
            let Err(error) = self.read().await;
            if self.notes.is_closed() || self.set_caught_up(false).await.is_err() {
                return;
            }
            failures = if self.read == before { failures + 1 } else { 1 };
            tracing::warn!(%error, subject = self.subject, failures, "reading again");
            tokio::time::sleep(AFTER_ERROR.delay(failures)).await;
        }
    }

    /// Reads until something fails.
    async fn read(&mut self) -> Result<Infallible, async_nats::Error> {
        self.nats.ready().await;
        let mut connections = self.nats.connections();
        tokio::select! {
            outcome = self.follow() => outcome,
            // What was asked for over the old connection never comes.
            () = connections.over() => Err("NATS is away".into()),
        }
    }

    /// Reads from where we are, on one connection. It may be given up at any
    /// time: an event counts as read after it was handed on.
    async fn follow(&mut self) -> Result<Infallible, async_nats::Error> {
        let stream = self.nats.jetstream().get_stream(self.stream.name).await?;
        let stream = stream.cached_info();
        let (first, end) = (stream.state.first_sequence, Place::end(stream));
        if self
            .read
            .is_some_and(|place| !place.is_followed(first, end))
        {
            tracing::warn!(subject = self.subject, "the stream lost what was not read");
            self.say(News::Missed).await?;
            self.read = Some(Place::before(first, end));
        }
        let consumer = self
            .nats
            .jetstream()
            .create_consumer_on_stream(self.consumer()?, self.stream.name)
            .await?;
        let mut left = consumer.cached_info().num_pending;
        if left == 0 {
            self.catch_up(end).await?;
        }
        let mut messages = consumer
            .stream()
            .heartbeat(HEARTBEAT)
            .expires(EXPIRES)
            .messages()
            .await?;
        let mut expected = 1;
        loop {
            let message = if left > 0 {
                tokio::time::timeout(NEXT_TIMEOUT, messages.next()).await?
            } else {
                messages.next().await
            };
            let message = message.ok_or("the consumer ended")??;
            let info = message.info()?;
            if info.consumer_sequence != expected {
                return Err("an event was lost on the way".into());
            }
            expected += 1;
            let happened = Envelope::read(message.headers.as_ref()).time;
            self.say(News::Message(Message {
                happened: happened.unwrap_or_else(|| published(&info)),
                subject: message.subject.to_string(),
                payload: message.payload.clone(),
                time: published(&info),
            }))
            .await?;
            self.read = Some(Place {
                sequence: info.stream_sequence,
                ..end
            });
            if left > 0 {
                // What is left may also have been removed meanwhile.
                left = info.pending.min(left - 1);
                if left == 0 {
                    self.catch_up(end).await?;
                }
            }
        }
    }

    /// The server's part in reading: it keeps nothing, and forgets us.
    fn consumer(&self) -> anyhow::Result<pull::Config> {
        let deliver_policy = match self.read {
            Some(place) => DeliverPolicy::ByStartSequence {
                start_sequence: place.sequence + 1,
            },
            None => DeliverPolicy::ByStartTime {
                start_time: headers::server_time(self.from)?,
            },
        };
        Ok(pull::Config {
            filter_subject: self.subject.clone(),
            deliver_policy,
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        })
    }

    /// All is read that the stream held at this place.
    async fn catch_up(&mut self, end: Place) -> Result<(), async_nats::Error> {
        let sequence = self.read.map_or(0, |place| place.sequence);
        self.read = Some(Place {
            sequence: sequence.max(end.sequence),
            ..end
        });
        self.set_caught_up(true).await
    }

    async fn set_caught_up(&mut self, caught_up: bool) -> Result<(), async_nats::Error> {
        if self.caught_up != caught_up {
            self.say(News::CaughtUp(caught_up)).await?;
            self.caught_up = caught_up;
        }
        Ok(())
    }

    async fn say(&self, news: News) -> Result<(), async_nats::Error> {
        let note = Note {
            reader: self.number,
            news,
        };
        Ok(self.notes.send(note).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(created_second: i64, sequence: u64) -> Place {
        Place {
            created: DateTime::from_timestamp(created_second, 0).unwrap(),
            sequence,
        }
    }

    #[test]
    fn a_stream_that_goes_on_where_we_were_has_lost_nothing() {
        let we = place(1, 10);
        assert!(we.is_followed(1, place(1, 10)), "nothing new");
        assert!(we.is_followed(1, place(1, 12)), "two are new");
        assert!(we.is_followed(11, place(1, 12)), "only they are left");
        assert!(we.is_followed(11, place(1, 10)), "nothing is left");
    }

    #[test]
    fn a_stream_that_begins_later_or_is_another_one_has_lost_something() {
        let we = place(1, 10);
        assert!(!we.is_followed(12, place(1, 12)), "the eleventh is gone");
        assert!(!we.is_followed(1, place(1, 9)), "the tenth never was");
        assert!(!we.is_followed(1, place(2, 12)), "same numbers, made later");
        assert_eq!(Place::before(12, place(1, 12)), place(1, 11));
        assert_eq!(Place::before(0, place(1, 0)), place(1, 0));
    }
}
