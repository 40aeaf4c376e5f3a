//! The loop of a job.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use svc_kit::{
    Shutdown,
    job::{Job, Progress, run},
};
use tokio::sync::Notify;

use crate::support::until;

/// Works off what is queued, one a step.
struct WorkOff {
    queued: Arc<AtomicUsize>,
    steps: Arc<AtomicUsize>,
    fails_at: usize,
}

impl Job for WorkOff {
    const NAME: &'static str = "test-work-off";

    async fn step(&self) -> anyhow::Result<Progress> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if step == self.fails_at {
            anyhow::bail!("this one fails");
        }
        assert!(step != self.fails_at + 1, "this one panics");
        let less = |queued: usize| queued.checked_sub(1);
        match self
            .queued
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        {
            Ok(_) => Ok(Progress::More),
            Err(_) => Ok(Progress::Idle),
        }
    }
}

#[tokio::test]
async fn a_job_works_off_what_is_there_and_goes_on_after_a_poke_an_error_and_a_panic() {
    let (queued, steps) = (Arc::new(AtomicUsize::new(5)), Arc::<AtomicUsize>::default());
    let job = WorkOff {
        queued: queued.clone(),
        steps: steps.clone(),
        fails_at: 8,
    };
    let (poke, shutdown) = (Arc::new(Notify::new()), Shutdown::new());
    let running = tokio::spawn(run(
        job,
        Duration::from_hours(1),
        Some(poke.clone()),
        shutdown.clone(),
    ));

    until("five and idle", || async {
        steps.load(Ordering::SeqCst) == 6
    })
    .await;
    queued.store(4, Ordering::SeqCst);
    poke.notify_one();
    until("nothing is queued", || async {
        queued.load(Ordering::SeqCst) == 0
    })
    .await;

    shutdown.stop();
    running.await.unwrap().unwrap();
}
