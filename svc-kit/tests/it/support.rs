//! What the tests share.

pub(crate) mod consumers;
pub(crate) mod issuer;

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use proto::{events::Event, souk::event::v1::OrderShipped};
use sqlx::PgPool;
use svc_kit::{broadcast, clock::Clock, db::Db, nats::Nats, outbox, testing};
use uuid::Uuid;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A database, the tests' NATS and the machine's clock.
#[derive(Clone)]
pub(crate) struct Kit {
    pub(crate) db: Db,
    pub(crate) nats: Nats,
    pub(crate) clock: Clock,
}

impl Kit {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self {
            db: Db::from_pool(pool),
            nats: testing::nats().await,
            clock: Clock::system(),
        }
    }

    pub(crate) fn relay(&self) -> outbox::Relay {
        outbox::Relay::new(self.db.clone(), self.nats.clone(), self.clock.clone())
    }

    /// Commits an event to the outbox.
    pub(crate) async fn commit(&self, event: &impl Event) -> Uuid {
        let mut tx = self.db.begin().await.unwrap();
        let id = outbox::put(&mut tx, event, &self.clock).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Commits an event and has it published.
    pub(crate) async fn announce(&self, event: &impl Event) -> Uuid {
        let id = self.commit(event).await;
        assert_eq!(self.relay().step().await.unwrap(), 1);
        id
    }

    /// Reads a subject from now on.
    pub(crate) fn read<E: Event>(&self) -> Reader {
        Reader(broadcast::subscribe(
            &self.nats,
            &[E::SUBJECT],
            just_now(&self.clock),
        ))
    }
}

/// Now, but for what clocks may differ.
pub(crate) fn just_now(clock: &Clock) -> DateTime<Utc> {
    clock.now() - TimeDelta::seconds(1)
}

/// Reads what is published.
pub(crate) struct Reader(pub(crate) broadcast::Subscription);

impl Reader {
    /// The next event that is one of ours.
    pub(crate) async fn next<E: Event>(&mut self, ours: impl Fn(&E) -> bool) -> E {
        let next = async {
            loop {
                let event: E = self.0.next().await.unwrap().decode().unwrap();
                if ours(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .unwrap_or_else(|_| panic!("no event in time"))
    }
}

/// An order nobody else has.
pub(crate) fn some_order() -> String {
    Uuid::from_bytes(svc_kit::random::bytes()).to_string()
}

/// The n-th event of an order.
pub(crate) fn shipped(order_id: &str, n: usize) -> OrderShipped {
    OrderShipped {
        order_id: order_id.to_owned(),
        tracking_code: n.to_string(),
        ..OrderShipped::default()
    }
}

/// Waits for a condition.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// A list that a handler adds to.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// An address of which nobody makes use.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
