//! Events that a consumer could not handle. They are kept in a stream of
//! their own, under [`proto::events::DEAD_LETTER_PREFIX`] and the subject they
//! had, with their payload, their headers, and the reason. Whoever mended the
//! cause has them delivered again, to that one consumer.

mod list;
mod put;
mod replay;

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use list::{Filter, find, list};
pub(crate) use put::{Given, put};
pub use replay::replay;

/// An event that was given up. Its payload may hold personal data: `Debug`
/// tells its size alone.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the dead-letter stream.
    pub sequence: u64,
    /// When it was given up.
    pub time: DateTime<Utc>,
    /// Which consumer gave it up.
    pub consumer: String,
    /// Why.
    pub reason: String,
    /// How often the handler had failed on it.
    pub attempts: u32,
    /// Where it was published.
    pub subject: String,
    /// The event's id, if it had one.
    pub event_id: Option<Uuid>,
    /// The payload's full name.
    pub event_type: String,
    /// When it happened, if it said so.
    pub event_time: Option<DateTime<Utc>>,
    /// What it is about.
    pub aggregate_id: String,
    /// The trace it belongs to.
    pub trace_parent: Option<String>,
    /// The encoded event.
    pub payload: Bytes,
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("sequence", &self.sequence)
            .field("consumer", &self.consumer)
            .field("reason", &self.reason)
            .field("subject", &self.subject)
            .field("event_id", &self.event_id)
            .field("aggregate_id", &self.aggregate_id)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}
