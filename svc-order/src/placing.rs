//! Writes new orders. Those that come at the same moment share one statement,
//! and its one wait for the disk; each is announced within its own trace. An
//! order of a product with a purchase limit has to wait for its account's turn,
//! and one that a fraud screen doubts is marked, so these have transactions of
//! their own.

use std::{collections::HashSet, sync::Arc};

use svc_kit::{
    batcher::{BatchLimits, Batcher},
    clock::Clock,
    db::Db,
    error::{Kind, ServiceError as _, StoreError},
    fault::{self, Point},
    outbox,
};
use tracing::Span;

use crate::{
    error::Error,
    fraud::Reason,
    order::{Order, OrderId},
    purchase::{self, Limited},
    store::{orders, reviews},
};

/// How many orders share a statement, how many statements there are at once (so
/// that some work while others wait for the disk), and how many orders may wait
/// for one.
const LIMITS: BatchLimits = BatchLimits {
    batch: 128,
    at_once: 4,
    waiting: 4096,
};

type Outcome = Result<bool, Arc<StoreError>>;

/// Writes new orders. Cheap to clone.
#[derive(Clone)]
pub struct Placing {
    db: Db,
    clock: Clock,
    together: Batcher<(Arc<Order>, Span), Outcome>,
}

impl Placing {
    /// Into this database.
    pub fn new(db: Db, clock: Clock) -> Self {
        let (our_db, our_clock) = (db.clone(), clock.clone());
        let together = Batcher::new(LIMITS, move |orders| {
            let (db, clock) = (our_db.clone(), our_clock.clone());
            Box::pin(async move { write_all(&db, &clock, orders).await })
        });
        Self {
            db,
            clock,
            together,
        }
    }

    /// Writes and announces an order, unless its request or its cart was
    /// ordered before: then it is false.
    ///
    /// # Errors
    /// `PURCHASE_LIMIT_EXCEEDED`, when the database is away, or when too many
    /// orders wait for it.
    pub async fn write(
        &self,
        order: &Arc<Order>,
        limited: &[Limited],
        doubts: &[Reason],
    ) -> Result<bool, Error> {
        if !limited.is_empty() || !doubts.is_empty() {
            return self.write_alone(order, limited, doubts).await;
        }
        let item = (Arc::clone(order), Span::current());
        Ok(self.together.submit(item).await??)
    }

    async fn write_alone(
        &self,
        order: &Arc<Order>,
        limited: &[Limited],
        doubts: &[Reason],
    ) -> Result<bool, Error> {
        let mut placed = outbox::Batch::new(&self.clock);
        placed.add(&order.placed())?;
        let mut tx = self.db.begin().await?;
        let new = orders::insert_all(&mut tx, std::slice::from_ref(order), &placed).await?;
        if new.is_empty() {
            return Ok(false);
        }
        purchase::claim(&mut tx, order, limited).await?;
        if !doubts.is_empty() {
            reviews::open(&mut tx, order, doubts).await?;
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(true)
    }
}

async fn write_all(db: &Db, clock: &Clock, orders: Vec<(Arc<Order>, Span)>) -> Vec<Outcome> {
    let (orders, spans): (Vec<_>, Vec<_>) = orders.into_iter().unzip();
    match write(db, clock, &orders, &spans).await {
        Ok(new) => orders
            .iter()
            .map(|order| Ok(new.contains(&order.id)))
            .collect(),
        // What is wrong with one order must not keep out the others.
        Err(error) if orders.len() > 1 && error.kind() != Kind::Unavailable => {
            tracing::warn!(%error, orders = orders.len(), "orders not written together");
            let mut outcomes = Vec::with_capacity(orders.len());
            for (order, span) in orders.iter().zip(&spans) {
                let alone = write(
                    db,
                    clock,
                    std::slice::from_ref(order),
                    std::slice::from_ref(span),
                );
                outcomes.push(alone.await.map(|new| !new.is_empty()).map_err(Arc::new));
            }
            outcomes
        }
        Err(error) => {
            let error = Arc::new(error);
            orders.iter().map(|_| Err(Arc::clone(&error))).collect()
        }
    }
}

async fn write(
    db: &Db,
    clock: &Clock,
    orders: &[Arc<Order>],
    spans: &[Span],
) -> Result<HashSet<OrderId>, StoreError> {
    let mut placed = outbox::Batch::new(clock);
    for (order, span) in orders.iter().zip(spans) {
        span.in_scope(|| placed.add(&order.placed()))?;
    }
    let mut db = db.writer().acquire().await?;
    fault::passed(Point::PlaceOrderBeforeCommit);
    let new = orders::insert_all(&mut db, orders, &placed).await?;
    fault::passed(Point::PlaceOrderAfterCommit);
    Ok(new)
}
