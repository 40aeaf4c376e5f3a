//! Hears which orders and carts changed, in whichever replica, and wakes who
//! watches them here. One listener of each kind for the whole process.

use std::{convert::Infallible, time::Duration};

use fred::{
    clients::SubscriberClient,
    error::{Error as RedisError, ErrorKind},
    interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _},
    types::{Builder, ConnectHandle},
};
use sqlx::postgres::PgListener;
use svc_kit::{Shutdown, id::AccountId};
use tokio::sync::broadcast::error::RecvError;

use super::{carts, orders};
use crate::{app::App, hub::Hub};

/// How long to wait before listening again when it failed.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Wakes the watchers of orders until the process stops. While the database
/// is away, nothing is told; they are all woken when it is back, and checkouts
/// that got stuck meanwhile are looked at.
pub(crate) async fn listen_to_orders(app: &App, shutdown: &Shutdown) {
    while !shutdown.is_stopped() {
        tokio::select! {
            error = hear_orders(app) => {
                tracing::warn!(%error, "listening to changed orders failed");
            }
            () = shutdown.stopped() => {}
        }
        pause(shutdown).await;
    }
}

async fn hear_orders(app: &App) -> sqlx::Error {
    let mut listener = match PgListener::connect_with(app.db.writer()).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen(orders::CHANNEL).await {
        return error;
    }
    app.order_changes.all_changed();
    loop {
        match listener.try_recv().await {
            Ok(Some(told)) => {
                if let Ok(id) = told.payload().parse() {
                    app.order_changes.changed(&id);
                } else {
                    tracing::warn!("an order without an id was told");
                }
            }
            // The connection was lost and is back: something may have gone
            // unheard.
            Ok(None) => {
                app.order_changes.all_changed();
                app.look_at_checkouts.notify_one();
            }
            Err(error) => return error,
        }
    }
}

/// Wakes the watchers of carts until the process stops. While Redis is away,
/// nothing is told; they are all woken when it is back.
pub(crate) async fn listen_to_carts(builder: &Builder, hub: &Hub<AccountId>, shutdown: &Shutdown) {
    while !shutdown.is_stopped() {
        tokio::select! {
            Err(error) = hear_carts(builder, hub) => {
                tracing::warn!(%error, "listening to changed carts failed");
            }
            () = shutdown.stopped() => {}
        }
        pause(shutdown).await;
    }
}

async fn hear_carts(builder: &Builder, hub: &Hub<AccountId>) -> Result<Infallible, RedisError> {
    let subscriber = builder.build_subscriber_client()?;
    let connection = AbortOnDrop(subscriber.connect());
    subscriber.wait_for_connect().await?;
    let Err(error) = hear(&subscriber, hub).await;
    drop(connection);
    Err(error)
}

async fn hear(
    subscriber: &SubscriberClient,
    hub: &Hub<AccountId>,
) -> Result<Infallible, RedisError> {
    let (mut messages, mut reconnects) = (subscriber.message_rx(), subscriber.reconnect_rx());
    subscriber.subscribe(carts::CHANNEL).await?;
    hub.all_changed();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => {
                    let account = message.value.as_str().map(|account| account.parse());
                    if let Some(Ok(account)) = account {
                        hub.changed(&account);
                    } else {
                        tracing::warn!("a cart without an account was told");
                    }
                }
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

fn lost() -> RedisError {
    RedisError::new(ErrorKind::Canceled, "the subscription ended")
}

/// Ends the connection's task when nobody listens any more.
struct AbortOnDrop(ConnectHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn pause(shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(LISTEN_AGAIN_AFTER) => {}
        () = shutdown.stopped() => {}
    }
}
