//! Events for everybody.

use proto::{
    events::Event as _,
    souk::event::v1::{OrderShipped, SigningKeyChanged},
};
use sqlx::PgPool;
use svc_kit::broadcast;

use crate::support::{Kit, PATIENCE, just_now, shipped, some_order};

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
