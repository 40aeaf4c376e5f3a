//! Resumes checkouts that got stuck, and ends those that took too long. What
//! it announces again is ignored by whoever heard it: reservations are made
//! once for each order, charges once for each payment.

use chrono::{DateTime, Utc};
use svc_kit::{
    error::StoreError,
    job::{Job, Progress},
    outbox,
};

use crate::{
    announce_checkout::announce_checkout,
    app::App,
    error::Error,
    metrics,
    order::{OrderId, lifecycle::Overdue},
    store::orders,
};

/// Orders of one step.
const BATCH: u32 = 100;

/// The reconciler.
pub struct ResumeCheckouts {
    app: App,
}

impl ResumeCheckouts {
    /// For this app.
    pub fn new(app: &App) -> Self {
        Self { app: app.clone() }
    }

    /// The time by the reconciler's clock, which a drill may set wrong.
    fn now(&self) -> DateTime<Utc> {
        self.app.clock.now() + self.app.rules.clock_offset
    }

    async fn resume(&self, id: OrderId) -> Result<(), Error> {
        let app = &self.app;
        let mut tx = app.db.begin().await?;
        // Who holds it is moving it on.
        let Some(mut order) = orders::try_lock(&mut tx, id).await? else {
            return Ok(());
        };
        let outcome = match order.overdue(&app.rules, self.now()) {
            Overdue::NotYet => return Ok(()),
            Overdue::AnnounceAgain => {
                announce_checkout(&mut tx, &order, &app.clock).await?;
                "announced"
            }
            Overdue::TimedOut => {
                orders::save(&mut tx, &order).await?;
                outbox::put(&mut tx, &order.cancelled(), &app.clock).await?;
                "timed_out"
            }
        };
        tx.commit().await.map_err(StoreError::from)?;
        metrics::RESUMED.with_label_values(&[outcome]).inc();
        tracing::info!(order_id = %id, outcome, announcements = order.announcements, "resumed a checkout");
        Ok(())
    }

    async fn measure(&self) -> Result<(), StoreError> {
        let mut db = self.app.db.writer().acquire().await?;
        let unfinished = orders::unfinished(&mut db).await?;
        let age = unfinished
            .oldest
            .map_or(0, |oldest| (self.app.clock.now() - oldest).num_seconds());
        metrics::UNFINISHED
            .with_label_values::<&str>(&[])
            .set(unfinished.count);
        metrics::OLDEST.with_label_values::<&str>(&[]).set(age);
        Ok(())
    }
}

impl Job for ResumeCheckouts {
    const NAME: &'static str = "order-resume-checkouts";

    async fn step(&self) -> anyhow::Result<Progress> {
        let app = &self.app;
        let mut db = app.db.writer().acquire().await?;
        let due = orders::due(&mut db, self.now(), BATCH).await?;
        drop(db);
        for id in &due {
            if let Err(error) = self.resume(*id).await {
                // One order that cannot be read must not hold up the others.
                metrics::RESUMED.with_label_values(&["failed"]).inc();
                let error = svc_kit::error::chain(&error);
                tracing::error!(order_id = %id, error, "checkout not resumed");
                let until = self.now() + app.rules.announce_ceiling;
                let mut db = app.db.writer().acquire().await?;
                orders::set_aside(&mut db, *id, until, &error).await?;
            }
        }
        self.measure().await?;
        Ok(if due.len() < BATCH as usize {
            Progress::Idle
        } else {
            Progress::More
        })
    }
}
