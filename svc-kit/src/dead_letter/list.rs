//! Finds events that were given up.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::{
    HeaderMap,
    jetstream::{
        Message,
        consumer::{DeliverPolicy, pull},
        stream::RawMessageErrorKind,
    },
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use proto::events::{DEAD_LETTER_PREFIX, DEAD_LETTERS};

use super::DeadLetter;
use crate::nats::{
    Nats,
    headers::{self, Envelope, published, stored},
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

/// The dead letter of that sequence; none when there is none, or no more.
///
/// # Errors
/// When NATS is away.
pub async fn find(nats: &Nats, sequence: u64) -> anyhow::Result<Option<DeadLetter>> {
    let stream = nats
        .jetstream()
        .get_stream_no_info(DEAD_LETTERS.name)
        .await
        .context("dead letters cannot be read")?;
    match stream.get_raw_message(sequence).await {
        Ok(message) => Ok(Some(dead_letter(
            &message.subject,
            Some(&message.headers),
            message.payload.clone(),
            (message.sequence, stored(message.time)),
        ))),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error).context("dead letters cannot be read"),
    }
}

/// A dead letter, and how many come after it.
fn read(message: &Message) -> anyhow::Result<(DeadLetter, u64)> {
    let info = message.info().map_err(anyhow::Error::from_boxed)?;
    let dead = dead_letter(
        &message.subject,
        message.headers.as_ref(),
        message.payload.clone(),
        (info.stream_sequence, published(&info)),
    );
    Ok((dead, info.pending))
}

fn dead_letter(
    subject: &str,
    headers: Option<&HeaderMap>,
    payload: Bytes,
    (sequence, time): (u64, DateTime<Utc>),
) -> DeadLetter {
    let envelope = Envelope::read(headers);
    let text = |name: &str| {
        headers
            .and_then(|headers| headers.get(name))
            .map(|value| value.as_str().to_owned())
            .unwrap_or_default()
    };
    DeadLetter {
        sequence,
        time,
        consumer: text(headers::DEAD_CONSUMER),
        reason: text(headers::DEAD_REASON),
        attempts: text(headers::DEAD_ATTEMPTS).parse().unwrap_or_default(),
        subject: subject
            .strip_prefix(DEAD_LETTER_PREFIX)
            .unwrap_or(subject)
            .to_owned(),
        event_id: envelope.event_id,
        event_type: envelope.r#type,
        event_time: envelope.time,
        aggregate_id: envelope.aggregate_id,
        trace_parent: envelope.trace_parent,
        payload,
    }
}
