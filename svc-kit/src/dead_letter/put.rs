//! Puts an event aside.

use async_nats::{HeaderMap, jetstream::message::PublishMessage};
use bytes::Bytes;
use proto::events::DEAD_LETTER_PREFIX;

use crate::nats::{
    Nats,
    headers::{self, one_line},
};

/// The longest reason that is kept, in bytes.
const MAX_REASON_BYTES: usize = 2_000;

/// An event that is being given up.
pub(crate) struct Given<'a> {
    /// By whom.
    pub(crate) consumer: &'a str,
    /// Why; no personal data.
    pub(crate) reason: &'a str,
    /// How often the handler has failed on it.
    pub(crate) attempts: u32,
    /// Where it was published.
    pub(crate) subject: &'a str,
    /// Recognizes this delivery, so that it is put aside once.
    pub(crate) delivery: &'a str,
    /// As it came.
    pub(crate) headers: Option<&'a HeaderMap>,
    /// As it came.
    pub(crate) payload: Bytes,
}

/// Puts an event aside. Only when this returns may it be acknowledged.
pub(crate) async fn put(nats: &Nats, given: Given<'_>) -> anyhow::Result<()> {
    let mut headers = HeaderMap::new();
    for name in [
        headers::EVENT_ID,
        headers::TYPE,
        headers::TIME,
        headers::AGGREGATE_ID,
        headers::TRACE_PARENT,
    ] {
        if let Some(value) = given.headers.and_then(|headers| headers.get(name)) {
            headers.insert(name, value.as_str());
        }
    }
    headers.insert(
        headers::MESSAGE_ID,
        format!("{}:{}", given.consumer, given.delivery),
    );
    headers.insert(headers::DEAD_CONSUMER, given.consumer);
    headers.insert(headers::DEAD_REASON, shortened(&one_line(given.reason)));
    headers.insert(headers::DEAD_ATTEMPTS, given.attempts.to_string());
    let message = PublishMessage::build()
        .payload(given.payload)
        .headers(headers);
    let subject = format!("{DEAD_LETTER_PREFIX}{}", given.subject);
    nats.jetstream()
        .send_publish(subject, message)
        .await?
        .await?;
    Ok(())
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON_BYTES)]
}
