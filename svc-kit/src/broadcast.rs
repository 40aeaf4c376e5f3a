//! Events for everybody: each reader gets all of them, from a time on, and
//! keeps nothing on the server. For processes that hold copies in memory, as
//! every edge does; whoever must not miss one uses a consumer.
//!
//! A reader is told when it has heard all that the streams hold, when it is
//! cut off from them, and when they no longer hold what it missed meanwhile.

mod read;
mod tell;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use proto::events::{Event, stream_of};
use tokio::{sync::mpsc, task::JoinSet};

use crate::nats::Nats;

use self::read::{News, Note, Reader};
pub use tell::tell;

/// How many events may wait for a slow reader.
const BUFFER: usize = 1024;

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

/// What a reader hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Message(Message),
    /// All that the streams held for the subjects, when reading began or went
    /// on, has been handed over. What comes from now on comes at once.
    CaughtUp,
    /// NATS is away. What is published is not heard, until it is caught up.
    CutOff,
    /// Something may have been published that the streams no longer hold, and
    /// that will never be heard.
    Missed,
}

/// The events of some subjects, in the order of each subject. It never ends
/// by itself, and resumes after NATS was away where it stopped.
#[derive(Debug)]
pub struct Subscription {
    notes: mpsc::Receiver<Note>,
    /// By reader, whether it has caught up.
    caught_up: Vec<bool>,
    _readers: JoinSet<()>,
}

/// The events alone.
impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match ready!(self.poll_hear(cx)) {
                Some(Heard::Message(message)) => return Poll::Ready(Some(message)),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Subscription {
    /// The next event; `None` never comes while NATS may.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next event, or news of the reading itself. They come in order:
    /// whoever has done what each event says knows at [`Heard::CaughtUp`] that
    /// nothing is left to be done. `None` never comes while NATS may.
    pub async fn hear(&mut self) -> Option<Heard> {
        std::future::poll_fn(|cx| self.poll_hear(cx)).await
    }

    /// Whether [`Heard::CaughtUp`] was the last news of the reading.
    pub fn is_caught_up(&self) -> bool {
        !self.caught_up.is_empty() && self.caught_up.iter().all(|caught_up| *caught_up)
    }

    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Option<Heard>> {
        loop {
            let Some(Note { reader, news }) = ready!(self.notes.poll_recv(cx)) else {
                return Poll::Ready(None);
            };
            let before = self.is_caught_up();
            match news {
                News::Message(message) => return Poll::Ready(Some(Heard::Message(message))),
                News::Missed => return Poll::Ready(Some(Heard::Missed)),
                News::CaughtUp(caught_up) => self.caught_up[reader] = caught_up,
            }
            match (before, self.is_caught_up()) {
                (false, true) => return Poll::Ready(Some(Heard::CaughtUp)),
                (true, false) => return Poll::Ready(Some(Heard::CutOff)),
                _ => {} // the others are not as far
            }
        }
    }
}

/// Reads subjects from a time on. Reading begins whenever NATS is there.
///
/// A subject that no stream of `proto::events` keeps is logged and left out.
#[must_use]
pub fn subscribe(nats: &Nats, subjects: &[&str], from: DateTime<Utc>) -> Subscription {
    let (sender, notes) = mpsc::channel(BUFFER);
    let mut readers = JoinSet::new();
    for subject in subjects {
        let Some(stream) = stream_of(subject) else {
            tracing::error!(subject, "no stream keeps this subject");
            continue;
        };
        let reader = Reader::new(readers.len(), nats, stream, subject, from, sender.clone());
        readers.spawn(reader.run());
    }
    Subscription {
        notes,
        caught_up: vec![false; readers.len()],
        _readers: readers,
    }
}
