//! Hears which orders and carts changed, in whichever replica, and wakes who
//! watches them here. One listener of each kind for the whole process.

use std::time::Duration;

use fred::{
    clients::{Pool, SubscriberClient},
    interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _},
    types::Builder,
};
use sqlx::postgres::PgListener;
use svc_kit::{Shutdown, db::Db, id::AccountId};
use tokio::sync::broadcast::error::RecvError;

use super::{carts, orders};
use crate::{hub::Hub, order::OrderId};

/// How long to wait before listening again when it failed.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Wakes the watchers of orders until the process stops. While the database
/// is away, nothing is told; they are all woken when it is back.
pub async fn listen_to_orders(db: Db, hub: Hub<OrderId>, shutdown: Shutdown) {
    until_stopped(&shutdown, async || {
        let error = hear_orders(&db, &hub).await;
        tracing::warn!(%error, "listening to changed orders failed");
    })
    .await;
}

async fn hear_orders(db: &Db, hub: &Hub<OrderId>) -> sqlx::Error {
    let mut listener = match PgListener::connect_with(db.writer()).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen(orders::CHANNEL).await {
        return error;
    }
    hub.all_changed();
    loop {
        match listener.try_recv().await {
            Ok(Some(told)) => match told.payload().parse() {
                Ok(id) => hub.changed(&id),
                Err(_) => tracing::warn!("an order without an id was told"),
            },
            // The connection was lost and is back: something may have gone
            // unheard.
            Ok(None) => hub.all_changed(),
            Err(error) => return error,
        }
    }
}

/// Wakes the watchers of carts until the process stops. While Redis is away,
/// nothing is told; they are all woken when it is back.
pub async fn listen_to_carts(redis: Pool, hub: Hub<AccountId>, shutdown: Shutdown) {
    until_stopped(&shutdown, async || {
        let Err(error) = hear_carts(&redis, &hub).await;
        tracing::warn!(%error, "listening to changed carts failed");
    })
    .await;
}

async fn hear_carts(redis: &Pool, hub: &Hub<AccountId>) -> Result<std::convert::Infallible, fred::error::Error> {
    let subscriber = subscriber(redis)?;
    let connection = subscriber.init().await?;
    let heard = hear(&subscriber, hub).await;
    connection.abort();
    heard
}

async fn hear(
    subscriber: &SubscriberClient,
    hub: &Hub<AccountId>,
) -> Result<std::convert::Infallible, fred::error::Error> {
    let (mut messages, mut reconnects) = (subscriber.message_rx(), subscriber.reconnect_rx());
    subscriber.subscribe(carts::CHANNEL).await?;
    hub.all_changed();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => match message.value.as_str().map(|account| account.parse()) {
                    Some(Ok(account)) => hub.changed(&account),
                    _ => tracing::warn!("a cart without an account was told"),
                },
                Err(RecvError::Lagged(_)) => hub.all_changed(),
                Err(RecvError::Closed) => return Err(lost()),
            },
            reconnected = reconnects.recv() => {
                if reconnected == Err(RecvError::Closed) {
                    return Err(lost());
                }
                subscriber.subscribe(carts::CHANNEL).await?;
                hub.all_changed();
            }
        }
    }
}

fn subscriber(redis: &Pool) -> Result<SubscriberClient, fred::error::Error> {
    let client = redis.next();
    let mut builder = Builder::from_config(client.client_config());
    builder.set_connection_config(client.connection_config().clone());
    builder.set_performance_config(client.perf_config());
    if let Some(policy) = client.client_reconnect_policy() {
        builder.set_policy(policy);
    }
    builder.build_subscriber_client()
}

fn lost() -> fred::error::Error {
    fred::error::Error::new(fred::error::ErrorKind::Canceled, "the subscription ended")
}

async fn until_stopped(shutdown: &Shutdown, listen: impl AsyncFn()) {
    loop {
        tokio::select! {
            () = listen() => {}
            () = shutdown.stopped() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(LISTEN_AGAIN_AFTER) => {}
            () = shutdown.stopped() => return,
        }
    }
}
