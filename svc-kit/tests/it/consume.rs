//! From JetStream to a handler.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use proto::{
    events::Event as _,
    souk::event::v1::{OrderShipped, PaymentFailed, PaymentRefunded, StockRejected},
};
use sqlx::{PgConnection, PgPool};
use svc_kit::{
    Shutdown,
    consumer::{ConsumeError, Consumer, Consumers, Delivered, deliver},
    testing::server_url,
};
use uuid::Uuid;

use crate::support::{Kit, Seen, shipped, some_order, until};

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
        let consumers =
            Consumers::new(kit.db.clone(), kit.nats.clone(), kit.clock.clone()).add(consumer);
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
async fn forget<C: Consumer>() {
    let jetstream = jetstream().await;
    let stream = proto::events::stream_of(C::Event::SUBJECT).unwrap();
    // It may never have been made.
    let _ = jetstream
        .delete_consumer_from_stream(C::NAME, stream.name)
        .await;
}

pub(crate) async fn jetstream() -> async_nats::jetstream::Context {
    let client = async_nats::connect(server_url("SOUK_TEST_NATS_URL"))
        .await
        .unwrap();
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

/// Notes what it is given, in its transaction.
struct Notes {
    ours: Vec<String>,
}

impl Consumer for Notes {
    type Event = OrderShipped;
    const NAME: &'static str = "test-kit-notes";

    async fn handle(&self, tx: &mut PgConnection, event: OrderShipped) -> Result<(), ConsumeError> {
        if self.ours.contains(&event.order_id) {
            note(tx, &event.tracking_code).await?;
        }
        Ok(())
    }
}

async fn note(tx: &mut PgConnection, what: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO notes (what) VALUES ($1)")
        .bind(what)
        .execute(tx)
        .await?;
    Ok(())
}

async fn notes(kit: &Kit) -> Vec<String> {
    sqlx::query_scalar("SELECT what FROM notes ORDER BY seq")
        .fetch_all(kit.db.writer())
        .await
        .unwrap()
}

async fn with_notes(pool: PgPool) -> Kit {
    let kit = Kit::new(pool).await;
    sqlx::query("CREATE TABLE notes (seq bigserial, what text)")
        .execute(kit.db.writer())
        .await
        .unwrap();
    kit
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn an_event_delivered_twice_is_handled_once(pool: PgPool) {
    let kit = with_notes(pool).await;
    let order = some_order();
    let consumer = Notes {
        ours: vec![order.clone()],
    };
    let id = Uuid::from_u128(1);

    let first = deliver(&kit.db, &consumer, id, shipped(&order, 1))
        .await
        .unwrap();
    let second = deliver(&kit.db, &consumer, id, shipped(&order, 1))
        .await
        .unwrap();

    assert_eq!((first, second), (Delivered::Handled, Delivered::Duplicate));
    assert_eq!(notes(&kit).await, ["1"]);
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn an_event_delivered_twice_at_once_is_handled_once(pool: PgPool) {
    let kit = with_notes(pool).await;
    let order = some_order();
    let consumer = Notes {
        ours: vec![order.clone()],
    };
    let id = Uuid::from_u128(1);

    let both = tokio::join!(
        deliver(&kit.db, &consumer, id, shipped(&order, 1)),
        deliver(&kit.db, &consumer, id, shipped(&order, 1)),
    );

    let mut both = [both.0.unwrap(), both.1.unwrap()];
    both.sort_by_key(|delivered| *delivered == Delivered::Duplicate);
    assert_eq!(both, [Delivered::Handled, Delivered::Duplicate]);
    assert_eq!(notes(&kit).await, ["1"]);
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn an_event_published_twice_is_handled_once(pool: PgPool) {
    let kit = with_notes(pool).await;
    let order = some_order();
    let running = Running::start(
        &kit,
        Notes {
            ours: vec![order.clone()],
        },
    )
    .await;
    let id = kit.announce(&shipped(&order, 1)).await;
    // As a relay does that lost its memory of the first time.
    for _ in 0..2 {
        let headers = [
            ("souk-event-id", &*id.to_string()),
            ("souk-aggregate-id", &order),
        ];
        let payload = prost::Message::encode_to_vec(&shipped(&order, 1));
        publish(OrderShipped::SUBJECT, &headers, payload).await;
    }
    kit.announce(&shipped(&order, 2)).await;

    until("both events are handled", || async {
        notes(&kit).await.len() >= 2
    })
    .await;
    until("all is acknowledged", || async {
        unacknowledged::<Notes>().await == 0
    })
    .await;
    assert_eq!(notes(&kit).await, ["1", "2"]);
    running.end::<Notes>().await;
}

/// Fails some times, then does it.
struct Fails {
    ours: String,
    with: fn() -> ConsumeError,
    left: AtomicUsize,
}

impl Consumer for Fails {
    type Event = PaymentFailed;
    const NAME: &'static str = "test-kit-fails";

    async fn handle(
        &self,
        tx: &mut PgConnection,
        event: PaymentFailed,
    ) -> Result<(), ConsumeError> {
        if event.order_id != self.ours {
            return Ok(());
        }
        note(tx, &event.reason).await?;
        let again = |left: usize| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, again)
        {
            Ok(_) => Err((self.with)()),
            Err(_) => Ok(()),
        }
    }
}

async fn attempts(kit: &Kit) -> i64 {
    sqlx::query_scalar("SELECT coalesce(sum(attempts), 0) FROM inbox_attempts")
        .fetch_one(kit.db.writer())
        .await
        .unwrap()
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn an_event_that_failed_comes_back(pool: PgPool) {
    let kit = with_notes(pool).await;
    let ours = some_order();
    let consumer = Fails {
        ours: ours.clone(),
        with: || ConsumeError::retry("not yet"),
        left: AtomicUsize::new(2),
    };
    let running = Running::start(&kit, consumer).await;
    let event = PaymentFailed {
        order_id: ours,
        reason: "DECLINED".to_owned(),
        ..PaymentFailed::default()
    };
    kit.announce(&event).await;

    until("it is handled", || async { !notes(&kit).await.is_empty() }).await;
    until("all is acknowledged", || async {
        unacknowledged::<Fails>().await == 0
    })
    .await;
    assert_eq!(
        notes(&kit).await,
        ["DECLINED"],
        "what failed was rolled back"
    );
    assert_eq!(attempts(&kit).await, 0, "past failures are forgotten");
    running.end::<Fails>().await;
}

/// Finds its neighbour away some times.
struct Waits {
    ours: String,
    left: Arc<AtomicUsize>,
}

impl Consumer for Waits {
    type Event = PaymentRefunded;
    const NAME: &'static str = "test-kit-waits";

    async fn handle(
        &self,
        tx: &mut PgConnection,
        event: PaymentRefunded,
    ) -> Result<(), ConsumeError> {
        if event.order_id != self.ours {
            return Ok(());
        }
        if self.left.load(Ordering::SeqCst) > 0 {
            self.left.fetch_sub(1, Ordering::SeqCst);
            // Counted, it would be given up now.
            sqlx::query("INSERT INTO inbox_attempts VALUES ($1, $2, 1000)")
                .bind(Self::NAME)
                .bind(Uuid::from_u128(1))
                .execute(&mut *tx)
                .await?;
            return Err(ConsumeError::unavailable("the provider is away"));
        }
        note(tx, &event.refund_id).await?;
        Ok(())
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn waiting_for_something_that_is_away_is_not_counted(pool: PgPool) {
    let kit = with_notes(pool).await;
    let ours = some_order();
    let left = Arc::new(AtomicUsize::new(3));
    let running = Running::start(
        &kit,
        Waits {
            ours: ours.clone(),
            left: left.clone(),
        },
    )
    .await;
    let event = PaymentRefunded {
        order_id: ours,
        refund_id: "r".to_owned(),
        ..PaymentRefunded::default()
    };
    kit.announce(&event).await;

    until("it waits", || async { left.load(Ordering::SeqCst) == 0 }).await;
    assert_eq!(attempts(&kit).await, 0);
    until("it is handled", || async { notes(&kit).await == ["r"] }).await;
    running.end::<Waits>().await;
}

/// Remembers in which order it was called.
struct Remembers {
    seen: Seen,
}

impl Consumer for Remembers {
    type Event = StockRejected;
    const NAME: &'static str = "test-kit-remembers";

    async fn handle(&self, _: &mut PgConnection, event: StockRejected) -> Result<(), ConsumeError> {
        // The sooner it begins the later it ends, unless somebody waits.
        tokio::task::yield_now().await;
        self.seen
            .lock()
            .unwrap()
            .push(format!("{} {}", event.order_id, event.reason));
        Ok(())
    }
}

fn rejected(order_id: &str, n: usize) -> StockRejected {
    StockRejected {
        order_id: order_id.to_owned(),
        reason: n.to_string(),
        ..StockRejected::default()
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn the_events_of_an_aggregate_are_handled_in_order(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let orders = [some_order(), some_order(), some_order()];
    for n in 0..30 {
        for order in &orders {
            kit.commit(&rejected(order, n)).await;
        }
    }
    assert_eq!(kit.relay().step().await.unwrap(), 90);
    let seen = Seen::default();
    let running = Running::start(&kit, Remembers { seen: seen.clone() }).await;

    let ours = || {
        let mut ours: HashMap<String, Vec<usize>> = HashMap::new();
        for line in seen.lock().unwrap().iter() {
            let (order, n) = line.split_once(' ').unwrap();
            if orders.iter().any(|ours| ours == order) {
                ours.entry(order.to_owned())
                    .or_default()
                    .push(n.parse().unwrap());
            }
        }
        ours
    };
    until("all are handled", || async {
        ours().values().map(Vec::len).sum::<usize>() == 90
    })
    .await;
    for (order, numbers) in ours() {
        assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "{order}");
    }
    running.end::<Remembers>().await;
}

/// As `Remembers`, for another test.
struct Survives {
    seen: Seen,
}

impl Consumer for Survives {
    type Event = StockRejected;
    const NAME: &'static str = "test-kit-survives";

    async fn handle(&self, _: &mut PgConnection, event: StockRejected) -> Result<(), ConsumeError> {
        self.seen
            .lock()
            .unwrap()
            .push(format!("{} {}", event.order_id, event.reason));
        Ok(())
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_consumer_that_is_deleted_is_made_again(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let order = some_order();
    let seen = Seen::default();
    let running = Running::start(&kit, Survives { seen: seen.clone() }).await;
    let count = |n: usize| {
        let line = format!("{order} {n}");
        seen.lock()
            .unwrap()
            .iter()
            .filter(|seen| **seen == line)
            .count()
    };

    kit.announce(&rejected(&order, 1)).await;
    until("the first is handled", || async { count(1) == 1 }).await;
    forget::<Survives>().await;
    kit.announce(&rejected(&order, 2)).await;
    until("the second is handled", || async { count(2) == 1 }).await;
    until("all is acknowledged", || async {
        unacknowledged::<Survives>().await == 0
    })
    .await;

    assert_eq!((count(1), count(2)), (1, 1));
    running.end::<Survives>().await;
}
