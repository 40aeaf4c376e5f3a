//! Events for everybody.

use proto::{
    events::Event as _,
    souk::event::v1::{OrderShipped, SigningKeyChanged},
};
use sqlx::PgPool;
use svc_kit::{
    broadcast::{self, Heard, Subscription},
    clock::Clock,
    nats::{Nats, NatsConfig},
    testing::{self, nats_server::NatsServer},
};

use crate::support::{Kit, PATIENCE, free_address, just_now, shipped, some_order, until};

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn each_reader_gets_all_events_from_its_time_on(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let from = just_now(&kit.clock);
    let (order, key) = (some_order(), some_order());
    let subjects = [OrderShipped::SUBJECT, SigningKeyChanged::SUBJECT];
    let early = broadcast::subscribe(&kit.nats, &subjects, from);
    kit.announce(&shipped(&order, 1)).await;
    kit.announce(&SigningKeyChanged {
        key_id: key.clone(),
    })
    .await;
    let late = broadcast::subscribe(&kit.nats, &subjects, from);

    for mut reader in [early, late] {
        let mut waiting = 2;
        while waiting > 0 {
            let message = tokio::time::timeout(PATIENCE, reader.next())
                .await
                .expect("in time")
                .unwrap();
            assert!(message.time >= from);
            let ours = message
                .decode::<OrderShipped>()
                .is_some_and(|event| event.order_id == order)
                || message
                    .decode::<SigningKeyChanged>()
                    .is_some_and(|event| event.key_id == key);
            waiting -= usize::from(ours);
        }
    }
}

async fn heard(reader: &mut Subscription) -> Heard {
    tokio::time::timeout(PATIENCE, reader.hear())
        .await
        .expect("in time")
        .unwrap()
}

/// The codes of the shipments of an order that are heard before this.
async fn codes_before(reader: &mut Subscription, order: &str, end: &Heard) -> Vec<String> {
    let mut codes = Vec::new();
    loop {
        let heard = heard(reader).await;
        if heard == *end {
            return codes;
        }
        let Heard::Message(message) = heard else {
            panic!("{heard:?} before {end:?}");
        };
        codes.extend(
            message
                .decode::<OrderShipped>()
                .filter(|event| event.order_id == order)
                .map(|event| event.tracking_code),
        );
    }
}

#[tokio::test]
async fn a_reader_is_told_when_it_has_heard_all_that_was_there() {
    let (nats, clock) = (testing::nats().await, Clock::system());
    let (from, order) = (just_now(&clock), some_order());
    for n in 0..3 {
        let event = shipped(&order, n);
        broadcast::tell(&nats, &clock, &event).await.unwrap();
    }
    let subjects = [OrderShipped::SUBJECT, SigningKeyChanged::SUBJECT];
    let mut reader = broadcast::subscribe(&nats, &subjects, from);
    assert!(!reader.is_caught_up());
    let codes = codes_before(&mut reader, &order, &Heard::CaughtUp).await;
    assert_eq!(codes, ["0", "1", "2"]);
    assert!(reader.is_caught_up());

    let mut late = broadcast::subscribe(&nats, &subjects, clock.now() + PATIENCE);
    let codes = codes_before(&mut late, &order, &Heard::CaughtUp).await;
    assert!(codes.is_empty(), "nothing is there from then on");
}

/// Subscribes at a NATS of this test's own, and hears one event there.
async fn reading(config: &NatsConfig, order: &str) -> (Nats, Subscription) {
    let (nats, clock) = (Nats::connect(config).await.unwrap(), Clock::system());
    let mut reader = broadcast::subscribe(&nats, &[OrderShipped::SUBJECT], just_now(&clock));
    codes_before(&mut reader, order, &Heard::CaughtUp).await;
    let first = shipped(order, 1);
    broadcast::tell(&nats, &clock, &first).await.unwrap();
    let Heard::Message(message) = heard(&mut reader).await else {
        panic!("an event comes first");
    };
    assert_eq!(message.decode(), Some(first));
    (nats, reader)
}

#[tokio::test]
async fn a_reader_that_was_cut_off_hears_all_that_it_missed_before_it_has_caught_up() {
    let (address, folder, order) = (free_address(), tempfile::tempdir().unwrap(), some_order());
    let server = NatsServer::start(address, folder.path());
    let config = NatsConfig::new(format!("nats://{address}"));
    let (nats, mut reader) = reading(&config, &order).await;

    server.kill();
    assert_eq!(heard(&mut reader).await, Heard::CutOff);
    assert!(!reader.is_caught_up());
    let clock = Clock::system();
    let away = broadcast::tell(&nats, &clock, &shipped(&order, 0)).await;
    assert!(away.unwrap_err().to_string().contains("NATS"));

    let server = NatsServer::start(address, folder.path());
    let (other, second) = (Nats::connect(&config).await.unwrap(), shipped(&order, 2));
    until("NATS keeps the second", || async {
        broadcast::tell(&other, &clock, &second).await.is_ok()
    })
    .await;
    // It may have caught up before the second was there.
    let mut codes = codes_before(&mut reader, &order, &Heard::CaughtUp).await;
    if codes.is_empty() {
        let Heard::Message(message) = heard(&mut reader).await else {
            panic!("the second is missing");
        };
        codes.push(message.decode::<OrderShipped>().unwrap().tracking_code);
    }
    assert_eq!(codes, ["2"], "and not the first again");
    server.kill();
}

#[tokio::test]
async fn a_reader_learns_that_what_it_missed_is_lost() {
    let (address, order) = (free_address(), some_order());
    let (folder, anew) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = NatsServer::start(address, folder.path());
    let config = NatsConfig::new(format!("nats://{address}"));
    let (_nats, mut reader) = reading(&config, &order).await;

    server.kill();
    assert_eq!(heard(&mut reader).await, Heard::CutOff);
    let server = NatsServer::start(address, anew.path());
    assert_eq!(heard(&mut reader).await, Heard::Missed);
    assert_eq!(heard(&mut reader).await, Heard::CaughtUp);
    server.kill();
}
