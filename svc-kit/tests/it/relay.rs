//! From a commit to JetStream.

use proto::souk::event::v1::OrderShipped;
use sqlx::PgPool;
use svc_kit::{Shutdown, outbox, testing::outbox_subjects};

use crate::support::{Kit, shipped, some_order};

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_committed_event_is_published_once(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let mut reader = kit.read::<OrderShipped>();
    let (order, marker) = (some_order(), some_order());
    let relay = kit.relay();

    kit.commit(&shipped(&order, 1)).await;
    assert_eq!(outbox_subjects(&kit.db).await, ["souk.order.shipped.v1"]);
    assert_eq!(relay.step().await.unwrap(), 1);
    assert_eq!(relay.step().await.unwrap(), 0);
    assert!(outbox_subjects(&kit.db).await.is_empty());
    kit.commit(&shipped(&marker, 2)).await;
    assert_eq!(relay.step().await.unwrap(), 1);

    let ours = |event: &OrderShipped| event.order_id == order || event.order_id == marker;
    assert_eq!(reader.next(ours).await, shipped(&order, 1));
    assert_eq!(reader.next(ours).await, shipped(&marker, 2));
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_rolled_back_transaction_publishes_nothing(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let mut tx = kit.db.begin().await.unwrap();
    outbox::put(&mut tx, &shipped(&some_order(), 1), &kit.clock)
        .await
        .unwrap();
    tx.rollback().await.unwrap();

    assert_eq!(kit.relay().step().await.unwrap(), 0);
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn an_event_that_is_not_committed_yet_does_not_hold_up_others(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let mut reader = kit.read::<OrderShipped>();
    let (slow, fast) = (some_order(), some_order());
    let relay = kit.relay();

    let mut tx = kit.db.begin().await.unwrap();
    outbox::put(&mut tx, &shipped(&slow, 1), &kit.clock)
        .await
        .unwrap();
    kit.commit(&shipped(&fast, 1)).await;
    assert_eq!(relay.step().await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(relay.step().await.unwrap(), 1);

    let ours = |event: &OrderShipped| event.order_id == slow || event.order_id == fast;
    assert_eq!(reader.next(ours).await.order_id, fast);
    assert_eq!(reader.next(ours).await.order_id, slow);
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn the_events_of_an_aggregate_keep_their_order(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let mut reader = kit.read::<OrderShipped>();
    let (one, other) = (some_order(), some_order());
    for n in 0..40 {
        kit.commit(&shipped(&one, n)).await;
        kit.commit(&shipped(&other, n)).await;
    }
    assert_eq!(kit.relay().step().await.unwrap(), 80);

    let mut next = [0, 0];
    for _ in 0..80 {
        let event: OrderShipped = reader
            .next(|event: &OrderShipped| event.order_id == one || event.order_id == other)
            .await;
        let count = &mut next[usize::from(event.order_id == one)];
        assert_eq!(event.tracking_code, count.to_string());
        *count += 1;
    }
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn one_relay_publishes_and_another_takes_over_when_its_connection_dies(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let (leader, standby) = (kit.relay(), kit.relay());

    kit.commit(&shipped(&some_order(), 1)).await;
    assert_eq!(leader.step().await.unwrap(), 1);
    kit.commit(&shipped(&some_order(), 2)).await;
    assert_eq!(standby.step().await.unwrap(), 0, "the lock is taken");

    let killed: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_all(kit.db.writer())
    .await
    .unwrap();
    assert_eq!(killed, [true]);

    crate::support::until("the standby leads", || async {
        standby.step().await.unwrap() == 1
    })
    .await;
    assert!(outbox_subjects(&kit.db).await.is_empty());
    kit.commit(&shipped(&some_order(), 3)).await;
    leader.step().await.unwrap_err();
    assert_eq!(leader.step().await.unwrap(), 0, "the lock is taken");
    assert_eq!(standby.step().await.unwrap(), 1);
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_running_relay_publishes_what_is_committed(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(kit.relay().run(shutdown.clone()));
    let mut reader = kit.read::<OrderShipped>();
    let order = some_order();
    for n in 0..5 {
        kit.commit(&shipped(&order, n)).await;
        assert_eq!(
            reader
                .next(|event: &OrderShipped| event.order_id == order)
                .await,
            shipped(&order, n)
        );
    }
    shutdown.stop();
    running.await.unwrap().unwrap();
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_payload_that_could_never_be_published_is_refused(pool: PgPool) {
    let kit = Kit::new(pool).await;
    let mut event = shipped(&some_order(), 1);
    event.carrier = "x".repeat(outbox::MAX_PAYLOAD_BYTES);
    let mut tx = kit.db.begin().await.unwrap();
    outbox::put(&mut tx, &event, &kit.clock).await.unwrap_err();
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_commit_notifies_a_relay_unless_it_is_awake(pool: PgPool) {
    const AWAKE: i64 = i64::from_be_bytes(*b"soukwake");
    let kit = Kit::new(pool.clone()).await;
    let mut listener = sqlx::postgres::PgListener::connect_with(&pool)
        .await
        .unwrap();
    listener.listen_all(["outbox", "done"]).await.unwrap();

    let mut awake = pool.acquire().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(AWAKE)
        .execute(&mut *awake)
        .await
        .unwrap();
    kit.commit(&shipped(&some_order(), 1)).await;
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(AWAKE)
        .execute(&mut *awake)
        .await
        .unwrap();
    kit.commit(&shipped(&some_order(), 2)).await;
    sqlx::query("NOTIFY done").execute(&pool).await.unwrap();

    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("done") {
        heard.push(listener.recv().await.unwrap().channel().to_owned());
    }
    assert_eq!(heard, ["outbox", "done"]);
}
