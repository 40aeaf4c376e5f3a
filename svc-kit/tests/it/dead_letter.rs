//! What is given up, and how it comes back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use proto::{
    events::Event as _,
    souk::event::v1::{OrderConfirmed, PaymentCaptured, SessionRevoked},
};
use sqlx::{PgConnection, PgPool};
use svc_kit::{
    consumer::{ATTEMPTS, ConsumeError, Consumer},
    dead_letter::{DeadLetter, Filter, list, replay},
};

use crate::support::{
    Kit,
    consumers::{Running, publish, unacknowledged},
    some_order, until,
};

/// Says no, or panics, or says "later".
struct Refuses {
    ours: String,
}

impl Consumer for Refuses {
    type Event = PaymentCaptured;
    const NAME: &'static str = "test-kit-refuses";

    async fn handle(
        &self,
        _: &mut PgConnection,
        event: PaymentCaptured,
    ) -> Result<(), ConsumeError> {
        if event.order_id != self.ours {
            return Ok(());
        }
        match event.payment_id.as_str() {
            "reject" => Err(ConsumeError::reject("no such\norder")),
            "panic" => panic!("the handler has a fault"),
            _ => Err(ConsumeError::retry("not yet")),
        }
    }
}

fn captured(order_id: &str, payment_id: &str) -> PaymentCaptured {
    PaymentCaptured {
        order_id: order_id.to_owned(),
        payment_id: payment_id.to_owned(),
        ..PaymentCaptured::default()
    }
}

async fn dead_of<C: Consumer>(kit: &Kit, aggregate_id: &str) -> Vec<DeadLetter> {
    let filter = Filter {
        subject: Some(C::Event::SUBJECT.to_owned()),
        consumer: Some(C::NAME.to_owned()),
        aggregate_id: Some(aggregate_id.to_owned()),
        ..Filter::default()
    };
    list(&kit.nats, &filter, 100).await.unwrap()
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn what_a_handler_gives_up_is_kept_with_its_reason_and_acknowledged(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let order = some_order();
    let running = Running::start(
        &kit,
        Refuses {
            ours: order.clone(),
        },
    )
    .await;

    let rejected = kit.announce(&captured(&order, "reject")).await;
    let panicked = kit.announce(&captured(&order, "panic")).await;
    // It has failed as often as it may but once.
    let tired = kit.commit(&captured(&order, "retry")).await;
    sqlx::query("INSERT INTO inbox_attempts VALUES ($1, $2, $3)")
        .bind(Refuses::NAME)
        .bind(tired)
        .bind(i32::try_from(ATTEMPTS).unwrap() - 1)
        .execute(kit.db.writer())
        .await
        .unwrap();
    kit.relay().step().await.unwrap();
    // No such payload.
    let headers = [
        ("souk-event-id", &*some_order()),
        ("souk-aggregate-id", &order),
    ];
    publish(PaymentCaptured::SUBJECT, &headers, b"\x7fgarbage".to_vec()).await;

    until("four dead letters", || async {
        dead_of::<Refuses>(&kit, &order).await.len() == 4
    })
    .await;
    until("all is acknowledged", || async {
        unacknowledged::<Refuses>().await == 0
    })
    .await;
    let dead = dead_of::<Refuses>(&kit, &order).await;
    let by_id = |id| dead.iter().find(|dead| dead.event_id == Some(id)).unwrap();
    assert_eq!(by_id(rejected).reason, "no such order");
    assert_eq!(by_id(rejected).event_type, PaymentCaptured::TYPE);
    assert_eq!(by_id(rejected).attempts, 1);
    assert!(by_id(rejected).event_time.is_some());
    assert_eq!(
        by_id(rejected).payload,
        prost::Message::encode_to_vec(&captured(&order, "reject"))
    );
    assert_eq!(
        by_id(panicked).reason,
        "handler panicked: the handler has a fault"
    );
    assert_eq!(by_id(tired).attempts, ATTEMPTS);
    assert!(
        by_id(tired).reason.ends_with("not yet"),
        "{}",
        by_id(tired).reason
    );
    assert!(
        dead.iter()
            .any(|dead| dead.reason.starts_with("payload is no "))
    );
    let claims: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox WHERE event_id = ANY($1)")
        .bind([rejected, panicked, tired])
        .fetch_one(kit.db.writer())
        .await
        .unwrap();
    assert_eq!(claims, 0, "what was given up was not handled");
    running.end::<Refuses>().await;
}

/// Refuses until it is mended.
struct Mended {
    ours: String,
    works: Arc<AtomicBool>,
    handled: Arc<AtomicBool>,
}

impl Consumer for Mended {
    type Event = OrderConfirmed;
    const NAME: &'static str = "test-kit-mended";

    async fn handle(
        &self,
        _: &mut PgConnection,
        event: OrderConfirmed,
    ) -> Result<(), ConsumeError> {
        if event.order_id != self.ours {
            return Ok(());
        }
        if !self.works.load(Ordering::SeqCst) {
            return Err(ConsumeError::reject("not mended"));
        }
        assert!(!self.handled.swap(true, Ordering::SeqCst), "handled twice");
        Ok(())
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_dead_letter_is_replayed_once(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let (order, mended, handled) = (
        some_order(),
        Arc::<AtomicBool>::default(),
        Arc::<AtomicBool>::default(),
    );
    let consumer = Mended {
        ours: order.clone(),
        works: mended.clone(),
        handled: handled.clone(),
    };
    let running = Running::start(&kit, consumer).await;
    kit.announce(&OrderConfirmed {
        order_id: order.clone(),
        ..OrderConfirmed::default()
    })
    .await;
    until("it is given up", || async {
        dead_of::<Mended>(&kit, &order).await.len() == 1
    })
    .await;
    let dead = dead_of::<Mended>(&kit, &order).await.remove(0);

    mended.store(true, Ordering::SeqCst);
    replay(&kit.nats, &dead).await.unwrap();
    until("it is handled", || async { handled.load(Ordering::SeqCst) }).await;
    assert!(dead_of::<Mended>(&kit, &order).await.is_empty());
    until("all is acknowledged", || async {
        unacknowledged::<Mended>().await == 0
    })
    .await;
    running.end::<Mended>().await;
}

/// Hears what others gave up.
struct Bystander {
    ours: String,
    heard: Arc<AtomicBool>,
}

impl Consumer for Bystander {
    type Event = SessionRevoked;
    const NAME: &'static str = "test-kit-bystander";

    async fn handle(
        &self,
        _: &mut PgConnection,
        event: SessionRevoked,
    ) -> Result<(), ConsumeError> {
        if event.session_id == self.ours {
            self.heard.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_replay_is_only_for_the_consumer_that_gave_up(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let (session, heard) = (some_order(), Arc::<AtomicBool>::default());
    let running = Running::start(
        &kit,
        Bystander {
            ours: session.clone(),
            heard: heard.clone(),
        },
    )
    .await;
    let event = SessionRevoked {
        session_id: session.clone(),
        ..SessionRevoked::default()
    };
    let headers = [
        ("souk-event-id", &*some_order()),
        ("souk-replay-for", "test-kit-another"),
    ];
    let payload = prost::Message::encode_to_vec(&event);
    publish(SessionRevoked::SUBJECT, &headers, payload).await;

    until("all is acknowledged", || async {
        unacknowledged::<Bystander>().await == 0
    })
    .await;
    assert!(!heard.load(Ordering::SeqCst));
    running.end::<Bystander>().await;
}
