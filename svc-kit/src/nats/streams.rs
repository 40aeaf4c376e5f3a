//! Makes sure that the streams of `proto::events` exist. It never changes one
//! that does.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use proto::events::{DEAD_LETTERS, STREAMS, Stream};
use tokio::sync::watch;

use crate::backoff::Backoff;

/// How long a stream keeps events.
pub const STREAM_MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// How long the dead-letter stream keeps what failed.
pub const DEAD_LETTER_MAX_AGE: Duration = Duration::from_hours(30 * 24);

/// How long JetStream recognizes an event that is published twice.
pub const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);

/// How long to wait before trying again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// After each connection made, since NATS may have come back empty.
pub(super) async fn ensure_on_connect(
    jetstream: Context,
    mut connections: watch::Receiver<u64>,
    exist: watch::Sender<bool>,
) {
    while connections.wait_for(|count| *count > 0).await.is_ok() {
        let seen = *connections.borrow_and_update();
        exist.send_replace(false);
        let mut failures = 0;
        while let Err(error) = ensure(&jetstream).await {
            failures += 1;
            tracing::warn!(%error, failures, "streams not ready");
            tokio::time::sleep(RETRY.delay(failures)).await;
        }
        exist.send_replace(true);
        if connections.wait_for(|count| *count != seen).await.is_err() {
            return;
        }
    }
}

async fn ensure(jetstream: &Context) -> Result<(), async_nats::Error> {
    for stream in STREAMS {
        jetstream.get_or_create_stream(config(*stream)).await?;
    }
    Ok(())
}

fn config(stream: Stream) -> Config {
    Config {
        name: stream.name.to_owned(),
        subjects: vec![stream.subjects.to_owned()],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: if stream == DEAD_LETTERS {
            DEAD_LETTER_MAX_AGE
        } else {
            STREAM_MAX_AGE
        },
        duplicate_window: DUPLICATE_WINDOW,
        ..Config::default()
    }
}
