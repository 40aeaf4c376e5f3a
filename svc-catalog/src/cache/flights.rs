//! One look-up at a time for each product, shared by those who asked before it
//! began. See the fourth point of the promise in [`super`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use svc_kit::error::StoreError;
use tokio::sync::Mutex;

use crate::product::{Product, ProductId};

type Found = Option<Arc<Product>>;

/// What the last look-up of a product found, and when it began.
struct Landed {
    began: u64,
    found: Found,
}

pub(super) struct Flights {
    /// Orders questions and look-ups. A clock would do, if it were fine enough.
    ticks: AtomicU64,
    products: Cache<ProductId, Arc<Mutex<Option<Landed>>>>,
}

impl Flights {
    pub(super) fn new(capacity: u64, idle: Duration) -> Self {
        Self {
            ticks: AtomicU64::new(0),
            products: Cache::builder()
                .max_capacity(capacity)
                .time_to_idle(idle)
                .build(),
        }
    }

    /// What a look-up finds that begins after this call. `look_up` is given
    /// what the one before it found.
    pub(super) async fn share(
        &self,
        id: ProductId,
        look_up: impl AsyncFnOnce(Found) -> Result<Found, StoreError>,
    ) -> Result<Found, StoreError> {
        let asked = self.tick();
        let slot = self.products.get_with(id, async { Arc::default() }).await;
        let mut slot = slot.lock().await;
        let earlier = match &*slot {
            Some(landed) if landed.began > asked => return Ok(landed.found.clone()),
            Some(landed) => landed.found.clone(),
            None => None,
        };
        let began = self.tick();
        let found = look_up(earlier).await?;
        *slot = Some(Landed {
            began,
            found: found.clone(),
        });
        Ok(found)
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use chrono::DateTime;
    use svc_kit::clock::Clock;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_look_up_is_shared_by_those_who_asked_before_it_began_and_by_nobody_else() {
        let clock = Clock::manual(DateTime::from_timestamp(1, 0).unwrap());
        let id = ProductId::generate(&clock);
        let flights = Arc::new(Flights::new(10, Duration::from_secs(5)));
        let look_ups = Arc::new(AtomicUsize::new(0));
        let first_is_running = Arc::new(Notify::new());
        let let_go = Arc::new(Notify::new());

        let first = tokio::spawn({
            let (flights, look_ups) = (flights.clone(), look_ups.clone());
            let (running, let_go) = (first_is_running.clone(), let_go.clone());
            async move {
                flights
                    .share(id, async |_| {
                        look_ups.fetch_add(1, Ordering::SeqCst);
                        running.notify_one();
                        let_go.notified().await;
                        Ok(None)
                    })
                    .await
                    .unwrap();
            }
        });
        first_is_running.notified().await;

        // These come too late for the first look-up and share the second.
        let mut late = Vec::new();
        for _ in 0..20 {
            let (flights, look_ups) = (flights.clone(), look_ups.clone());
            late.push(tokio::spawn(async move {
                flights
                    .share(id, async |_| {
                        look_ups.fetch_add(1, Ordering::SeqCst);
                        Ok(None)
                    })
                    .await
                    .unwrap();
            }));
        }
        // One for the first, and one each for those who have asked by now.
        while flights.ticks.load(Ordering::SeqCst) < 22 {
            tokio::task::yield_now().await;
        }
        let_go.notify_one();
        first.await.unwrap();
        for task in late {
            task.await.unwrap();
        }
        assert_eq!(look_ups.load(Ordering::SeqCst), 2);
    }
}
