//! Core NATS: words for whoever listens right now. No stream keeps them and
//! nobody hears them late; what must not be missed is an event.

use async_nats::Subscriber;
use bytes::Bytes;
use futures::StreamExt as _;

use super::Nats;

/// What is said on a subject.
#[derive(Debug)]
pub struct Listener(Subscriber);

impl Listener {
    /// The next word; `None` when the client has ended.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.next().await.map(|message| message.payload)
    }
}

impl Nats {
    /// Says something on a subject. While NATS is away it is lost.
    ///
    /// # Errors
    /// When the subject is malformed, or the client has ended.
    pub async fn tell(&self, subject: &str, payload: impl Into<Bytes>) -> anyhow::Result<()> {
        if self.is_connected() {
            self.client
                .publish(subject.to_owned(), payload.into())
                .await?;
        }
        Ok(())
    }

    /// Listens to a subject, also after NATS was away.
    ///
    /// # Errors
    /// When the subject is malformed, or the client has ended.
    pub async fn listen(&self, subject: &str) -> anyhow::Result<Listener> {
        Ok(Listener(self.client.subscribe(subject.to_owned()).await?))
    }
}
