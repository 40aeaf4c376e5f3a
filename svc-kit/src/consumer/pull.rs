//! Asks JetStream for messages. While a batch is worked on nothing is asked
//! for, so a replica that stops holds no messages that another one could have.

use std::time::Duration;

use async_nats::jetstream::{
    Message,
    consumer::{Consumer, pull::Config},
};
use futures::StreamExt as _;

use crate::{Shutdown, nats::Connections};

/// How many messages are taken at once.
pub(super) const BATCH: usize = 128;

/// How long a request for a message stands on the server.
const WAIT: Duration = Duration::from_secs(5);

/// How long the server may take to hand out what it has.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The next messages: what is there now, or what comes first. None when
/// nothing comes for a while, or when told to stop.
pub(super) async fn next(
    durable: &Consumer<Config>,
    connections: &mut Connections,
    shutdown: &Shutdown,
) -> Result<Vec<Message>, async_nats::Error> {
    let batch = fetch(durable, BATCH, connections).await?;
    if !batch.is_empty() {
        return Ok(batch);
    }
    let Some(first) = wait(durable, connections, shutdown).await? else {
        return Ok(Vec::new());
    };
    let mut batch = vec![first];
    match fetch(durable, BATCH - 1, connections).await {
        Ok(rest) => batch.extend(rest),
        Err(error) => tracing::debug!(%error, "one message for now"),
    }
    Ok(batch)
}

/// What is there now.
async fn fetch(
    durable: &Consumer<Config>,
    most: usize,
    connections: &mut Connections,
) -> Result<Vec<Message>, async_nats::Error> {
    let mut messages = durable.fetch().max_messages(most).messages().await?;
    let mut batch = Vec::new();
    let deadline = tokio::time::sleep(FETCH_TIMEOUT);
    tokio::pin!(deadline);
    let error = loop {
        tokio::select! {
            biased;
            message = messages.next() => match message {
                Some(Ok(message)) => batch.push(message),
                Some(Err(error)) => break error,
                None => return Ok(batch),
            },
            // What was asked for over the old connection never comes.
            () = connections.another() => break "NATS was away".into(),
            () = &mut deadline => break "NATS does not answer".into(),
        }
    };
    // What has come is worked on; the next round runs into the error again.
    if batch.is_empty() {
        Err(error)
    } else {
        Ok(batch)
    }
}

/// What comes first.
async fn wait(
    durable: &Consumer<Config>,
    connections: &mut Connections,
    shutdown: &Shutdown,
) -> Result<Option<Message>, async_nats::Error> {
    let mut messages = durable
        .batch()
        .max_messages(1)
        .expires(WAIT)
        .messages()
        .await?;
    tokio::select! {
        biased;
        message = messages.next() => message.transpose(),
        () = shutdown.stopped() => Ok(None),
        () = connections.another() => Err("NATS was away".into()),
    }
}
