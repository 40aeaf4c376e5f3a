//! NATS comes late, and goes away in between.

use std::time::Duration;

use proto::{events::Event as _, souk::event::v1::OrderCancelled};
use sqlx::{PgConnection, PgPool};
use svc_kit::{
    Shutdown, broadcast,
    clock::Clock,
    consumer::{ConsumeError, Consumer, Consumers},
    db::Db,
    nats::{Nats, NatsConfig},
    outbox::RelayError,
    testing::{nats_server::NatsServer, outbox_subjects},
};

use crate::support::{Kit, Reader, Seen, free_address, just_now, until};

struct Hears {
    seen: Seen,
}

impl Consumer for Hears {
    type Event = OrderCancelled;
    const NAME: &'static str = "test-kit-hears";

    async fn handle(
        &self,
        _: &mut PgConnection,
        event: OrderCancelled,
    ) -> Result<(), ConsumeError> {
        self.seen.lock().unwrap().push(event.reason);
        Ok(())
    }
}

fn cancelled(n: usize) -> OrderCancelled {
    OrderCancelled {
        order_id: format!("order-{}", n % 3),
        reason: n.to_string(),
        ..OrderCancelled::default()
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn nothing_is_lost_while_nats_is_away(pool: PgPool) {
    let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
    let config = NatsConfig::new(format!("nats://{address}"));
    let clock = Clock::system();
    let from = just_now(&clock);

    // Not there yet: the service starts all the same.
    let nats = Nats::connect(&config).await.unwrap();
    assert!(!nats.is_connected());
    let kit = Kit {
        db: Db::from_pool(pool),
        nats,
        clock,
    };
    let (shutdown, seen) = (Shutdown::new(), Seen::default());
    let consumers =
        Consumers::new(kit.db.clone(), kit.nats.clone()).add(Hears { seen: seen.clone() });
    let consuming = tokio::spawn(consumers.run(shutdown.clone()));
    let relaying = tokio::spawn(kit.relay().run(shutdown.clone()));
    let mut reader = Reader(broadcast::subscribe(
        &kit.nats,
        &[OrderCancelled::SUBJECT],
        from,
    ));
    for n in 0..10 {
        kit.commit(&cancelled(n)).await;
    }
    assert_eq!(outbox_subjects(&kit.db).await.len(), 10);

    let server = NatsServer::start(address, folder.path());
    until("the first ten are handled", || async {
        seen.lock().unwrap().len() == 10
    })
    .await;

    server.kill();
    until("the loss is noticed", || async { !kit.nats.is_connected() }).await;
    for n in 10..20 {
        kit.commit(&cancelled(n)).await;
    }
    let server = NatsServer::start(address, folder.path());
    until("all twenty are handled", || async {
        seen.lock().unwrap().len() >= 20
    })
    .await;
    until("the outbox is empty", || async {
        outbox_subjects(&kit.db).await.is_empty()
    })
    .await;

    let mut all: Vec<usize> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|n| n.parse().unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>(), "each of them once");
    for n in 0..20 {
        let event: OrderCancelled = reader.next(|_: &OrderCancelled| true).await;
        assert!(event.reason.parse::<usize>().unwrap() < 20, "{n}");
    }

    shutdown.stop();
    consuming.await.unwrap().unwrap();
    relaying.await.unwrap().unwrap();
    server.kill();
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_relay_waits_for_no_answer_that_died_with_the_connection(pool: PgPool) {
    let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
    let server = NatsServer::start(address, folder.path());
    let kit = Kit {
        db: Db::from_pool(pool),
        nats: Nats::connect(&NatsConfig::new(server.url())).await.unwrap(),
        clock: Clock::system(),
    };
    let relay = kit.relay();
    kit.commit(&cancelled(0)).await;
    assert_eq!(relay.step().await.unwrap(), 1);
    for n in 1..20 {
        kit.commit(&cancelled(n)).await;
    }

    server.freeze();
    let waiting = relay.step();
    tokio::pin!(waiting);
    // So long that it has published, and not so long that it gives up.
    let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting);
    early.await.unwrap_err();
    server.kill();
    let error = waiting.await.unwrap_err();
    assert!(matches!(error, RelayError::NatsAway), "{error:?}");

    let server = NatsServer::start(address, folder.path());
    until("all are published", || async {
        let _ = relay.step().await;
        outbox_subjects(&kit.db).await.is_empty()
    })
    .await;
    server.kill();
}
