//! What is not handled, and comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use proto::souk::event::v1::{PaymentFailed, PaymentRefunded};
use sqlx::{PgConnection, PgPool};
use svc_kit::consumer::{ConsumeError, Consumer, Delivered, deliver};
use uuid::Uuid;

use crate::support::{
    Kit,
    consumers::{Running, note, notes, unacknowledged, with_notes},
    some_order, until,
};

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

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn an_event_that_was_not_handled_is_not_claimed(pool: PgPool) {
    let kit = with_notes(pool).await;
    let order = some_order();
    let consumer = Fails {
        ours: order.clone(),
        with: || ConsumeError::retry("not yet"),
        left: AtomicUsize::new(1),
    };
    let event = PaymentFailed {
        order_id: order,
        reason: "DECLINED".to_owned(),
        ..PaymentFailed::default()
    };
    let id = Uuid::from_u128(1);

    deliver(&kit.db, &consumer, id, event.clone())
        .await
        .unwrap_err();
    assert!(notes(&kit).await.is_empty());
    let again = deliver(&kit.db, &consumer, id, event).await.unwrap();
    assert_eq!(again, Delivered::Handled);
    assert_eq!(notes(&kit).await, ["DECLINED"]);
}
