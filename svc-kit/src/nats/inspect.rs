//! What the streams hold and how far their consumers are: for operators, and
//! for whoever audits a shop. It reads and changes nothing.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::{StreamExt as _, TryStreamExt as _};
use proto::events::Stream;
use uuid::Uuid;

use super::{Nats, headers::Envelope};

/// How long NATS may take to hand over the next event.
const NEXT_TIMEOUT: Duration = Duration::from_secs(5);

/// A durable consumer and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerState {
    /// Its durable name: "order-stock-reserved".
    pub name: String,
    /// What it hears: "souk.stock.reserved.v1".
    pub subject: String,
    /// Events that it was not handed yet.
    pub pending: u64,
    /// Events that it was handed and has not acknowledged.
    pub unacknowledged: u64,
}

/// An event as its headers tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the stream.
    pub sequence: u64,
    /// Where it was published.
    pub subject: String,
    /// The event's id, if it has one.
    pub event_id: Option<Uuid>,
    /// The id of what it is about.
    pub aggregate_id: String,
    /// On a replayed event: the only consumer that is meant.
    pub replay_for: Option<String>,
}

/// The durable consumers of a stream. Readers that come and go with a process
/// are left out.
///
/// # Errors
/// When NATS is away.
pub async fn consumers(nats: &Nats, stream: Stream) -> anyhow::Result<Vec<ConsumerState>> {
    let away = || format!("the consumers of {} cannot be read", stream.name);
    let handle = nats
        .jetstream()
        .get_stream_no_info(stream.name)
        .await
        .with_context(away)?;
    let infos = handle.consumers().try_collect::<Vec<_>>().await;
    let durable = infos.with_context(away)?.into_iter().filter_map(|info| {
        Some(ConsumerState {
            name: info.config.durable_name?,
            subject: info.config.filter_subject,
            pending: info.num_pending,
            unacknowledged: info.num_ack_pending as u64,
        })
    });
    Ok(durable.collect())
}

/// All events that a stream holds, oldest first, without their payloads.
///
/// # Errors
/// When NATS is away.
pub async fn events(nats: &Nats, stream: Stream) -> anyhow::Result<Vec<Stored>> {
    let reader = nats
        .jetstream()
        .create_consumer_on_stream(
            pull::OrderedConfig {
                filter_subject: stream.subjects.to_owned(),
                deliver_policy: DeliverPolicy::All,
                headers_only: true,
                ..pull::OrderedConfig::default()
            },
            stream.name,
        )
        .await
        .with_context(|| format!("{} cannot be read", stream.name))?;
    let mut left = reader.cached_info().num_pending;
    let mut messages = reader.messages().await?;
    let mut found = Vec::new();
    while left > 0 {
        let message = tokio::time::timeout(NEXT_TIMEOUT, messages.next())
            .await
            .context("NATS fell silent")?
            .context("the stream ended early")??;
        let info = message.info().map_err(anyhow::Error::from_boxed)?;
        left = info.pending;
        let envelope = Envelope::read(message.headers.as_ref());
        found.push(Stored {
            sequence: info.stream_sequence,
            subject: message.subject.to_string(),
            event_id: envelope.event_id,
            aggregate_id: envelope.aggregate_id,
            replay_for: envelope.replay_for,
        });
    }
    Ok(found)
}
