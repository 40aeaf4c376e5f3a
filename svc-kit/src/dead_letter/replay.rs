//! Has an event delivered again.

use anyhow::Context as _;
use async_nats::jetstream::message::PublishMessage;
use proto::events::DEAD_LETTERS;

use super::DeadLetter;
use crate::nats::{
    Nats,
    headers::{self, Envelope},
};

/// Publishes an event again, for the consumer that gave it up and for no
/// other, and takes it off the dead letters. Doing this twice is harmless: the
/// consumer's inbox knows the event.
///
/// # Errors
/// When NATS is away; the dead letter is still there then.
pub async fn replay(nats: &Nats, dead: &DeadLetter) -> anyhow::Result<()> {
    let mut headers = Envelope {
        event_id: dead.event_id,
        r#type: dead.event_type.clone(),
        time: dead.event_time,
        aggregate_id: dead.aggregate_id.clone(),
        trace_parent: dead.trace_parent.clone(),
        replay_for: Some(dead.consumer.clone()),
    }
    .write();
    headers.insert(
        headers::MESSAGE_ID,
        format!("replay:{}:{}", DEAD_LETTERS.name, dead.sequence),
    );
    let message = PublishMessage::build()
        .payload(dead.payload.clone())
        .headers(headers);
    nats.jetstream()
        .send_publish(dead.subject.clone(), message)
        .await?
        .await
        .context("event not replayed")?;
    nats.jetstream()
        .get_stream_no_info(DEAD_LETTERS.name)
        .await?
        .delete_message(dead.sequence)
        .await
        .context("replayed, but still among the dead letters")?;
    Ok(())
}
