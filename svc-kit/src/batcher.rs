//! Does together what many ask for at the same moment: while one batch is being
//! worked on, whoever comes waits, and goes with the next one. Who is alone
//! waits for nobody. It turns many small transactions, or calls, into few.
//!
//! The work goes on when a caller gives up: a batch belongs to all of its
//! callers, and none of them can cut it off.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use tokio::{runtime::Handle, sync::oneshot};
use tracing::{Instrument as _, Span};

use crate::error::{Kind, ServiceError};

/// How many batches, and of what size.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// The most items of one batch.
    pub batch: usize,
    /// How many batches are worked on at once.
    pub at_once: usize,
    /// How many items may wait.
    pub waiting: usize,
}

/// Why an item was not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWorkedOn {
    /// As many wait as may.
    #[error("too many are waiting")]
    Full,
    /// The work ended without an answer; whether it was done is unknown.
    #[error("the work was cut off")]
    CutOff,
}

impl ServiceError for NotWorkedOn {
    fn kind(&self) -> Kind {
        match self {
            Self::Full => Kind::Throttled,
            Self::CutOff => Kind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Full => "TOO_BUSY",
            Self::CutOff => "CUT_OFF",
        }
    }
}

type Work<I, O> = dyn Fn(Vec<I>) -> BoxFuture<'static, Vec<O>> + Send + Sync;

/// Works on items in batches. Cheap to clone; clones share their batches.
pub struct Batcher<I, O>(Arc<Inner<I, O>>);

struct Inner<I, O> {
    limits: BatchLimits,
    work: Box<Work<I, O>>,
    state: Mutex<State<I, O>>,
}

struct State<I, O> {
    waiting: VecDeque<Waiting<I, O>>,
    running: usize,
}

struct Waiting<I, O> {
    item: I,
    span: Span,
    answer: oneshot::Sender<O>,
}

impl<I, O> Clone for Batcher<I, O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Works by this function: for each item it answers one thing, in the same
    /// order. It runs in the span of the first item's caller.
    pub fn new(
        limits: BatchLimits,
        work: impl Fn(Vec<I>) -> BoxFuture<'static, Vec<O>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            limits,
            work: Box::new(work),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                running: 0,
            }),
        }))
    }

    /// Has an item worked on, with those of others.
    ///
    /// # Errors
    /// [`NotWorkedOn`].
    pub async fn submit(&self, item: I) -> Result<O, NotWorkedOn> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.0.state();
            if state.waiting.len() >= self.0.limits.waiting {
                return Err(NotWorkedOn::Full);
            }
            state.waiting.push_back(Waiting {
                item,
                span: Span::current(),
                answer,
            });
            if state.running < self.0.limits.at_once {
                state.running += 1;
                tokio::spawn(work_off(Arc::clone(&self.0)));
            }
        }
        answered.await.map_err(|_| NotWorkedOn::CutOff)
    }
}

impl<I, O> Inner<I, O> {
    fn state(&self) -> MutexGuard<'_, State<I, O>> {
        // Each change under the lock is complete by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works until nobody waits.
async fn work_off<I: Send + 'static, O: Send + 'static>(inner: Arc<Inner<I, O>>) {
    let mut place = Place { inner, taken: true };
    while let Some(batch) = place.next() {
        let span = batch
            .first()
            .map_or_else(Span::none, |first| first.span.clone());
        let (items, answers): (Vec<I>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.item, waiting.answer))
            .unzip();
        let results = (place.inner.work)(items).instrument(span).await;
        for (answer, result) in answers.into_iter().zip(results) {
            // A caller that gave up misses nothing.
            let _ = answer.send(result);
        }
    }
}

/// One of the places at which batches are worked on.
struct Place<I: Send + 'static, O: Send + 'static> {
    inner: Arc<Inner<I, O>>,
    taken: bool,
}

impl<I: Send + 'static, O: Send + 'static> Place<I, O> {
    /// The next batch. When there is none, the place is given back in the same
    /// moment, so that who comes next knows to begin.
    fn next(&mut self) -> Option<Vec<Waiting<I, O>>> {
        let mut state = self.inner.state();
        let size = state.waiting.len().min(self.inner.limits.batch);
        if size == 0 {
            state.running -= 1;
            self.taken = false;
            return None;
        }
        Some(state.waiting.drain(..size).collect())
    }
}

impl<I: Send + 'static, O: Send + 'static> Drop for Place<I, O> {
    fn drop(&mut self) {
        // The work has panicked: its callers learn that it was cut off, and
        // those that wait need another worker.
        if self.taken
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work_off(Arc::clone(&self.inner)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        batch: 4,
        at_once: 1,
        waiting: 8,
    };

    /// Answers with the size of the batch, when it is let.
    fn sizes(gate: &Arc<Semaphore>) -> Batcher<u8, usize> {
        let gate = Arc::clone(gate);
        Batcher::new(LIMITS, move |items| {
            let gate = Arc::clone(&gate);
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                vec![items.len(); items.len()]
            })
        })
    }

    #[tokio::test]
    async fn who_is_alone_waits_for_nobody_and_the_others_go_together() {
        let gate = Arc::new(Semaphore::new(0));
        let batcher = sizes(&gate);
        let submit = || {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(0).await.unwrap() })
        };
        let mut answers = vec![submit()];
        tokio::task::yield_now().await;
        for _ in 0..6 {
            answers.push(submit());
        }
        tokio::task::yield_now().await;
        gate.add_permits(3);
        let mut seen = Vec::new();
        for answer in answers {
            seen.push(answer.await.unwrap());
        }
        assert_eq!(seen, [1, 4, 4, 4, 4, 2, 2]);
        gate.add_permits(1);
        assert_eq!(batcher.submit(0).await, Ok(1), "it begins anew");
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused() {
        let gate = Arc::new(Semaphore::new(0));
        let batcher = sizes(&gate);
        let submit = || {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(0).await })
        };
        // The first is being worked on, the others wait.
        let mut tasks = vec![submit()];
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(batcher.0.state().waiting.len(), 0);
        tasks.extend((0..LIMITS.waiting).map(|_| submit()));
        tokio::task::yield_now().await;
        assert_eq!(batcher.submit(0).await, Err(NotWorkedOn::Full));
        gate.add_permits(3);
        for task in tasks {
            assert!(task.await.unwrap().is_ok());
        }
    }

    #[tokio::test]
    async fn a_panic_cuts_off_its_batch_alone() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let batcher: Batcher<u8, u8> = Batcher::new(LIMITS, move |items| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            Box::pin(async move {
                tokio::task::yield_now().await;
                assert!(!first, "on purpose");
                items
            })
        });
        let first = {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(1).await })
        };
        tokio::task::yield_now().await;
        assert_eq!(batcher.submit(2).await, Ok(2));
        assert_eq!(first.await.unwrap(), Err(NotWorkedOn::CutOff));
    }
}
