//! Consumers that run for a test, and a table for them to write to.

use proto::events::Event as _;
use sqlx::{PgConnection, PgPool};
use svc_kit::{
    Shutdown,
    consumer::{Consumer, Consumers},
    testing::server_url,
};

use super::Kit;

/// Runs consumers until the test is done, and leaves none of them behind.
pub(crate) struct Running {
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn start<C: Consumer>(kit: &Kit, consumer: C) -> Self {
        forget::<C>().await;
        Self::resume(kit, consumer)
    }

    pub(crate) fn resume<C: Consumer>(kit: &Kit, consumer: C) -> Self {
        let shutdown = Shutdown::new();
        let consumers = Consumers::new(kit.db.clone(), kit.nats.clone()).add(consumer);
        Self {
            task: tokio::spawn(consumers.run(shutdown.clone())),
            shutdown,
        }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.stop();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn end<C: Consumer>(self) {
        self.stop().await;
        forget::<C>().await;
    }
}

/// Deletes a durable consumer, if it is there.
pub(crate) async fn forget<C: Consumer>() {
    let jetstream = jetstream().await;
    let stream = proto::events::stream_of(C::Event::SUBJECT).unwrap();
    // It may never have been made.
    let _ = jetstream
        .delete_consumer_from_stream(C::NAME, stream.name)
        .await;
}

pub(crate) async fn jetstream() -> async_nats::jetstream::Context {
    let server: async_nats::ServerAddr = server_url("SOUK_TEST_NATS_URL").parse().unwrap();
    // The client does not take them out of the address.
    let (user, password) = (server.username(), server.password());
    let options = async_nats::ConnectOptions::with_user_and_password(
        user.unwrap_or_default().to_owned(),
        password.unwrap_or_default().to_owned(),
    );
    let client = options.connect(server).await.unwrap();
    async_nats::jetstream::new(client)
}

/// Publishes a message that no relay has written.
pub(crate) async fn publish(subject: &str, headers: &[(&str, &str)], payload: Vec<u8>) {
    let jetstream = jetstream().await;
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut map = async_nats::HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, value);
    }
    let ack = jetstream
        .publish_with_headers(subject.to_owned(), map, payload.into())
        .await
        .unwrap();
    ack.await.unwrap();
}

/// How many of a consumer's messages are not acknowledged.
pub(crate) async fn unacknowledged<C: Consumer>() -> u64 {
    let stream = proto::events::stream_of(C::Event::SUBJECT).unwrap();
    let consumer: async_nats::jetstream::consumer::PullConsumer = jetstream()
        .await
        .get_consumer_from_stream(C::NAME, stream.name)
        .await
        .unwrap();
    let info = consumer.cached_info();
    info.num_ack_pending as u64 + info.num_pending
}

pub(crate) async fn note(tx: &mut PgConnection, what: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO notes (what) VALUES ($1)")
        .bind(what)
        .execute(tx)
        .await?;
    Ok(())
}

pub(crate) async fn notes(kit: &Kit) -> Vec<String> {
    sqlx::query_scalar("SELECT what FROM notes ORDER BY seq")
        .fetch_all(kit.db.writer())
        .await
        .unwrap()
}

pub(crate) async fn with_notes(pool: PgPool) -> Kit {
    let kit = Kit::new(pool).await;
    sqlx::query("CREATE TABLE notes (seq bigserial, what text)")
        .execute(kit.db.writer())
        .await
        .unwrap();
    kit
}
