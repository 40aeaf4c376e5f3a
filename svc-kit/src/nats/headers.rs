//! The headers that travel with an event, and JetStream's times. Nothing else
//! spells the headers' names.

use async_nats::{HeaderMap, jetstream::message::Info};
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// By this JetStream recognizes what is published twice.
pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The outbox id.
pub(crate) const EVENT_ID: &str = "souk-event-id";
/// The payload's full name.
pub(crate) const TYPE: &str = "souk-event-type";
/// When it happened, RFC 3339.
pub(crate) const TIME: &str = "souk-event-time";
/// The id of what it is about.
pub(crate) const AGGREGATE_ID: &str = "souk-aggregate-id";
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
pub(crate) const TRACE_PARENT: &str = "traceparent";
/// Why an event is dead.
pub(crate) const DEAD_REASON: &str = "souk-dead-reason";
/// For which consumer an event is dead.
pub(crate) const DEAD_CONSUMER: &str = "souk-dead-consumer";
/// How often the handler has failed on it.
pub(crate) const DEAD_ATTEMPTS: &str = "souk-dead-attempts";
/// On a replayed event: the only consumer that is meant.
pub(crate) const REPLAY_FOR: &str = "souk-replay-for";

/// What the headers of an event say. What is missing is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) r#type: String,
    pub(crate) time: Option<DateTime<Utc>>,
    pub(crate) aggregate_id: String,
    pub(crate) trace_parent: Option<String>,
    pub(crate) replay_for: Option<String>,
}

impl Envelope {
    /// Reads the headers of a message.
    pub(crate) fn read(headers: Option<&HeaderMap>) -> Self {
        let text = |name: &str| {
            headers
                .and_then(|headers| headers.get(name))
                .map(|value| value.as_str().to_owned())
        };
        Self {
            event_id: text(EVENT_ID).and_then(|id| id.parse().ok()),
            r#type: text(TYPE).unwrap_or_default(),
            time: text(TIME)
                .and_then(|time| DateTime::parse_from_rfc3339(&time).ok())
                .map(|time| time.to_utc()),
            aggregate_id: text(AGGREGATE_ID).unwrap_or_default(),
            trace_parent: text(TRACE_PARENT),
            replay_for: text(REPLAY_FOR),
        }
    }

    /// Headers that say this.
    pub(crate) fn write(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(id) = self.event_id {
            headers.insert(EVENT_ID, id.to_string());
        }
        headers.insert(TYPE, self.r#type.as_str());
        if let Some(time) = self.time {
            headers.insert(TIME, time.to_rfc3339_opts(SecondsFormat::Micros, true));
        }
        headers.insert(AGGREGATE_ID, one_line(&self.aggregate_id));
        if let Some(trace_parent) = &self.trace_parent {
            headers.insert(TRACE_PARENT, trace_parent.as_str());
        }
        if let Some(consumer) = &self.replay_for {
            headers.insert(REPLAY_FOR, consumer.as_str());
        }
        headers
    }
}

/// A header ends where its line does.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// When JetStream stored a message.
pub(crate) fn published(info: &Info<'_>) -> DateTime<Utc> {
    stored(info.published)
}

/// A time of JetStream's.
pub(crate) fn stored(time: async_nats::datetime::DateTime) -> DateTime<Utc> {
    let nanos = i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanos)
}

/// A time as JetStream is asked by it.
pub(crate) fn server_time(time: DateTime<Utc>) -> anyhow::Result<async_nats::datetime::DateTime> {
    let nanos = i128::from(time.timestamp_micros()) * 1_000;
    async_nats::datetime::from_nanos(nanos).map_err(anyhow::Error::from_boxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_was_written() {
        let envelope = Envelope {
            event_id: Some(Uuid::from_u128(7)),
            r#type: "souk.event.v1.OrderPlaced".to_owned(),
            time: DateTime::from_timestamp_micros(1_700_000_000_123_456),
            aggregate_id: "order".to_owned(),
            trace_parent: Some(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            ),
            replay_for: None,
        };
        assert_eq!(Envelope::read(Some(&envelope.write())), envelope);
    }

    #[test]
    fn missing_headers_are_no_error() {
        assert_eq!(Envelope::read(None), Envelope::default());
    }
}
