//! Tells an event to everybody who reads, on the spot. It is for what no row
//! stands behind: whoever changes a row uses the outbox.

use anyhow::Context as _;
use async_nats::jetstream::message::PublishMessage;
use proto::events::Event;

use crate::{
    clock::Clock,
    id,
    nats::{
        Nats,
        headers::{self, Envelope},
    },
    telemetry,
};

/// Publishes an event; returns when JetStream keeps it.
///
/// # Errors
/// When NATS is away, or does not answer: then JetStream may keep it all the
/// same.
pub async fn tell<E: Event>(nats: &Nats, clock: &Clock, event: &E) -> anyhow::Result<()> {
    anyhow::ensure!(nats.is_connected(), "NATS is away");
    let id = id::generate(clock);
    let mut headers = Envelope {
        event_id: Some(id),
        r#type: E::TYPE.to_owned(),
        time: Some(clock.now()),
        aggregate_id: event.aggregate_id().to_owned(),
        trace_parent: telemetry::current_traceparent(),
        replay_for: None,
    }
    .write();
    headers.insert(headers::MESSAGE_ID, id.to_string());
    let message = PublishMessage::build()
        .payload(event.encode_to_vec().into())
        .headers(headers);
    nats.jetstream()
        .send_publish(E::SUBJECT, message)
        .await
        .context("NATS is away")?
        .await
        .context("NATS has not confirmed the event")?;
    Ok(())
}
