//! Finds events that were given up.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::{
    Message,
    consumer::{DeliverPolicy, pull},
};
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use proto::events::{DEAD_LETTER_PREFIX, DEAD_LETTERS};

use super::DeadLetter;
use crate::nats::{
    Nats,
    headers::{self, Envelope, published},
};

/// How long NATS may take to hand over the next one.
const NEXT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which of them. What is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Published there: "souk.order.placed.v1".
    pub subject: Option<String>,
    /// Given up by this consumer.
    pub consumer: Option<String>,
    /// About this order, product or account.
    pub aggregate_id: Option<String>,
    /// Given up at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Given up before this time.
    pub until: Option<DateTime<Utc>>,
}

impl Filter {
    fn matches(&self, dead: &DeadLetter) -> bool {
        let wanted =
            |wish: &Option<String>, is: &str| wish.as_deref().is_none_or(|wish| wish == is);
        wanted(&self.subject, &dead.subject)
            && wanted(&self.consumer, &dead.consumer)
            && wanted(&self.aggregate_id, &dead.aggregate_id)
            && self.since.is_none_or(|since| dead.time >= since)
            && self.until.is_none_or(|until| dead.time < until)
    }
}

/// The events that were given up, oldest first, at most `limit` of them.
///
/// # Errors
/// When NATS is away.
pub async fn list(nats: &Nats, filter: &Filter, limit: usize) -> anyhow::Result<Vec<DeadLetter>> {
    let consumer = nats
        .jetstream()
        .create_consumer_on_stream(
            pull::OrderedConfig {
                filter_subject: filter.subject.as_ref().map_or_else(
                    || DEAD_LETTERS.subjects.to_owned(),
                    |subject| format!("{DEAD_LETTER_PREFIX}{subject}"),
                ),
                deliver_policy: match filter.since {
                    Some(since) => DeliverPolicy::ByStartTime {
                        start_time: headers::server_time(since)?,
                    },
                    None => DeliverPolicy::All,
                },
                ..pull::OrderedConfig::default()
            },
            DEAD_LETTERS.name,
        )
        .await
        .context("dead letters cannot be read")?;
    let mut found = Vec::new();
    let mut left = consumer.cached_info().num_pending;
    let mut messages = consumer.messages().await?;
    while left > 0 && found.len() < limit {
        let message = tokio::time::timeout(NEXT_TIMEOUT, messages.next())
            .await
            .context("NATS fell silent")?
            .context("dead letters ended early")??;
        let (dead, pending) = read(&message)?;
        left = pending;
        if filter.matches(&dead) {
            found.push(dead);
        }
    }
    Ok(found)
}

/// A dead letter, and how many come after it.
fn read(message: &Message) -> anyhow::Result<(DeadLetter, u64)> {
    let info = message.info().map_err(anyhow::Error::from_boxed)?;
    let envelope = Envelope::read(message.headers.as_ref());
    let text = |name: &str| {
        let value = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(name));
        value
            .map(|value| value.as_str().to_owned())
            .unwrap_or_default()
    };
    let subject = message
        .subject
        .strip_prefix(DEAD_LETTER_PREFIX)
        .unwrap_or(&message.subject);
    let dead = DeadLetter {
        sequence: info.stream_sequence,
        time: published(&info),
        consumer: text(headers::DEAD_CONSUMER),
        reason: text(headers::DEAD_REASON),
        attempts: text(headers::DEAD_ATTEMPTS).parse().unwrap_or_default(),
        subject: subject.to_owned(),
        event_id: envelope.event_id,
        event_type: envelope.r#type,
        event_time: envelope.time,
        aggregate_id: envelope.aggregate_id,
        trace_parent: envelope.trace_parent,
        payload: message.payload.clone(),
    };
    Ok((dead, info.pending))
}
