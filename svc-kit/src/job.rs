//! Workers without input: each looks at what is there, does one step of it,
//! and can be stopped between steps. A job must be idempotent: a step that
//! was cut off is simply taken again.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::{Shutdown, backoff::Backoff, metrics, panics, random, telemetry};
use std::sync::LazyLock;

use prometheus::IntCounterVec;

/// How much longer than its interval a job may wait, as a fraction, so that
/// the replicas of a service do not step together.
const JITTER: f64 = 0.1;

/// How long a job waits after it failed.
const AFTER_ERROR: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_mins(1));

static STEPS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "job_steps_total",
        "Steps of jobs, by job and outcome.",
        &["job", "outcome"],
    )
});

/// What a step left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do at once.
    More,
    /// There is nothing to do for now.
    Idle,
}

/// Work that is done step by step.
pub trait Job: Send + Sync + 'static {
    /// Names it in logs and metrics: "order-resume-checkouts".
    const NAME: &'static str;

    /// Takes one step. Tests call this until it is [`Progress::Idle`].
    fn step(&self) -> impl Future<Output = anyhow::Result<Progress>> + Send;
}

/// Steps until there is nothing to do, waits for the interval or a poke, and
/// begins again, until it is told to stop. A step is never cut off by that.
///
/// # Errors
/// None: what a step runs into is logged, and the step is tried again later.
pub async fn run<J: Job>(
    job: J,
    every: Duration,
    poke: Option<Arc<Notify>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut failures = 0;
    while !shutdown.is_stopped() {
        let pause = match step(&job).await {
            Ok(Progress::More) => {
                failures = 0;
                // A job that always has more must not starve its neighbours.
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Progress::Idle) => {
                failures = 0;
                every + random::jitter(every.mul_f64(JITTER))
            }
            Err(error) => {
                failures += 1;
                let pause = AFTER_ERROR.delay(failures);
                tracing::warn!(
                    job = J::NAME,
                    error = format!("{error:#}"),
                    failures,
                    pause_ms = pause.as_millis(),
                    "job failed"
                );
                pause
            }
        };
        tokio::select! {
            () = shutdown.stopped() => break,
            () = poked(poke.as_deref()) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

async fn step<J: Job>(job: &J) -> anyhow::Result<Progress> {
    let span = tracing::info_span!("job", job = J::NAME, trace_id = tracing::field::Empty);
    telemetry::continue_trace(&span, None);
    let outcome = AssertUnwindSafe(job.step().instrument(span))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(anyhow::anyhow!("panicked: {}", panics::text(&*panic))));
    let label = match &outcome {
        Ok(Progress::More) => "more",
        Ok(Progress::Idle) => "idle",
        Err(_) => "error",
    };
    STEPS.with_label_values(&[J::NAME, label]).inc();
    outcome
}

async fn poked(poke: Option<&Notify>) {
    match poke {
        Some(poke) => poke.notified().await,
        None => std::future::pending().await,
    }
}
