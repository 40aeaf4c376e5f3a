//! From JetStream to a handler.

use std::collections::{HashMap, HashSet};

use proto::{
    events::Event as _,
    souk::event::v1::{OrderPlaced, OrderShipped, StockRejected},
};
use sqlx::{PgConnection, PgPool};
use svc_kit::{
    Shutdown,
    consumer::{ConsumeError, Consumer, Consumers, Delivered, HANDLE_TIMEOUT, deliver},
};
use uuid::Uuid;

use crate::support::{
    Kit, Seen,
    consumers::{Running, forget, note, notes, publish, unacknowledged, with_notes},
    shipped, some_order, until,
};

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

/// Asks to stop at the first event of ours.
struct Stops {
    ours: String,
    seen: Seen,
    shutdown: Shutdown,
}

impl Consumer for Stops {
    type Event = OrderPlaced;
    const NAME: &'static str = "test-kit-stops";

    async fn handle(&self, _: &mut PgConnection, event: OrderPlaced) -> Result<(), ConsumeError> {
        if event.account_id == self.ours {
            self.shutdown.stop();
            self.seen.lock().unwrap().push(event.order_id);
        }
        Ok(())
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn what_was_not_begun_when_a_replica_stops_comes_to_another_at_once(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let (ours, seen) = (some_order(), Seen::default());
    for _ in 0..200 {
        let event = OrderPlaced {
            order_id: some_order(),
            account_id: ours.clone(),
            ..OrderPlaced::default()
        };
        kit.commit(&event).await;
    }
    assert_eq!(kit.relay().step().await.unwrap(), 200);
    forget::<Stops>().await;

    let begun = std::time::Instant::now();
    let mut replicas = 0;
    while seen.lock().unwrap().len() < 200 {
        let shutdown = Shutdown::new();
        let consumer = Stops {
            ours: ours.clone(),
            seen: seen.clone(),
            shutdown: shutdown.clone(),
        };
        Consumers::new(kit.db.clone(), kit.nats.clone())
            .add(consumer)
            .run(shutdown)
            .await
            .unwrap();
        replicas += 1;
    }

    assert!(replicas > 1, "it stopped in between");
    assert!(
        begun.elapsed() < HANDLE_TIMEOUT,
        "not only after the time to acknowledge"
    );
    let all: HashSet<String> = seen.lock().unwrap().drain(..).collect();
    assert_eq!(all.len(), 200, "each of them once");
    forget::<Stops>().await;
}

/// Notes in which transaction it is called; cannot stand one of the events.
struct Batched {
    ours: Vec<String>,
}

const UNBEARABLE: usize = 7;

impl Consumer for Batched {
    type Event = OrderShipped;
    const NAME: &'static str = "test-kit-batched";

    async fn handle(&self, tx: &mut PgConnection, event: OrderShipped) -> Result<(), ConsumeError> {
        if !self.ours.contains(&event.order_id) {
            return Ok(());
        }
        if event.tracking_code == UNBEARABLE.to_string() {
            return Err(ConsumeError::reject("unbearable"));
        }
        let transaction: String = sqlx::query_scalar("SELECT pg_current_xact_id()::text")
            .fetch_one(&mut *tx)
            .await?;
        note(tx, &format!("{} {transaction}", event.tracking_code)).await?;
        Ok(())
    }
}

/// How many events wait in a test of batches.
const WAITING: usize = 30;

/// How many transactions wrote the notes, and how many notes there are.
async fn transactions(kit: &Kit) -> (usize, usize) {
    let notes = notes(kit).await;
    let transactions: HashSet<&str> = notes
        .iter()
        .filter_map(|note| note.split_once(' ').map(|(_, transaction)| transaction))
        .collect();
    (transactions.len(), notes.len())
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn what_waits_is_handled_in_few_transactions(pool: PgPool) {
    let kit = with_notes(pool).await;
    let ours: Vec<String> = (0..WAITING).map(|_| some_order()).collect();
    forget::<Batched>().await;
    for (number, order) in (100..).zip(&ours) {
        kit.announce(&shipped(order, number)).await;
    }
    let running = Running::resume(&kit, Batched { ours });
    until("all are handled", || async {
        transactions(&kit).await.1 == WAITING
    })
    .await;
    let (transactions, notes) = transactions(&kit).await;
    assert!(
        transactions * 2 <= notes,
        "{transactions} transactions for {notes} events"
    );
    until("all is acknowledged", || async {
        unacknowledged::<Batched>().await == 0
    })
    .await;
    running.end::<Batched>().await;
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_bad_event_spoils_nothing_for_its_batch(pool: PgPool) {
    let kit = with_notes(pool).await;
    let ours: Vec<String> = (0..10).map(|_| some_order()).collect();
    forget::<Batched>().await;
    for (number, order) in (1..).zip(&ours) {
        kit.announce(&shipped(order, number)).await;
    }
    let running = Running::resume(&kit, Batched { ours });
    until("the others are handled", || async {
        transactions(&kit).await.1 == 9
    })
    .await;
    until("all is acknowledged", || async {
        unacknowledged::<Batched>().await == 0
    })
    .await;
    assert_eq!(transactions(&kit).await.1, 9, "each once");
    running.end::<Batched>().await;
}
