//! One request's dealings with a service: its place among those in flight, its
//! attempts, each at an instance, and what they show of these.
//!
//! A caller must not be able to make an instance look bad: what counts as its
//! failure is only what it did after it had the whole request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingora::upstreams::peer::HttpPeer;

use super::{
    instance::Instance,
    pool::{Choice, Place, Pool},
};
use crate::{deadline::Deadline, refusal::Refusal};

/// How often a request is tried, the first time included.
pub const MAX_ATTEMPTS: usize = 3;
/// An instance that lets a request wait for so long hangs. Callers of less
/// patience do not count.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// A request to a service.
#[derive(Debug)]
pub struct Call {
    pool: Arc<Pool>,
    choice: Choice,
    attempts: usize,
    failed: Vec<Arc<Instance>>,
    attempt: Option<Attempt>,
    _place: Place,
}

/// One attempt; in flight for as long as it lives.
#[derive(Debug)]
struct Attempt {
    instance: Arc<Instance>,
    /// When the instance had all of the request.
    sent: Option<Instant>,
    answered: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.instance.end();
    }
}

impl Call {
    /// Begins a request.
    ///
    /// # Errors
    /// When the service has too much to do, or is not asked at the moment.
    pub fn begin(pool: &Arc<Pool>, is_stream: bool, choice: Choice) -> Result<Self, Refusal> {
        let place = pool.place(is_stream).ok_or(Refusal::ServiceOverloaded)?;
        if !pool.admits() {
            return Err(Refusal::UpstreamUnavailable);
        }
        pool.deposit();
        Ok(Self {
            pool: Arc::clone(pool),
            choice,
            attempts: 0,
            failed: Vec::new(),
            attempt: None,
            _place: place,
        })
    }

    /// Begins an attempt, at another instance than those before. An answer
    /// must begin, and go on, within `read_timeout`.
    ///
    /// # Errors
    /// When the service has no instance, or the time is over.
    pub fn attempt(
        &mut self,
        read_timeout: Duration,
        deadline: Deadline,
    ) -> Result<HttpPeer, Refusal> {
        self.attempt = None;
        let left = deadline.left().unwrap_or(read_timeout);
        if left.is_zero() {
            return Err(Refusal::DeadlineExceeded);
        }
        let instance = self
            .pool
            .choose(self.choice, &self.failed, Instant::now())
            .ok_or(Refusal::UpstreamUnavailable)?;
        self.attempts += 1;
        instance.begin();
        let peer = instance.peer(read_timeout, left);
        self.attempt = Some(Attempt {
            instance,
            sent: None,
            answered: false,
        });
        Ok(peer)
    }

    /// The instance of the attempt, for logs.
    pub fn label(&self) -> Option<Arc<str>> {
        let attempt = self.attempt.as_ref()?;
        Some(Arc::clone(attempt.instance.label()))
    }

    /// The instance has all of the request: from now on its time counts.
    pub fn sent(&mut self) {
        if let Some(attempt) = &mut self.attempt {
            attempt.sent.get_or_insert_with(Instant::now);
        }
    }

    /// The instance begins to answer; `declined` if only to say that it cannot.
    pub fn answered(&mut self, declined: bool) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if attempt.answered {
            return;
        }
        attempt.answered = true;
        let now = Instant::now();
        let latency = attempt.sent.map(|sent| now.saturating_duration_since(sent));
        if declined {
            attempt.instance.answered(None, now);
            attempt.instance.declined(now);
        } else {
            attempt.instance.answered(latency, now);
        }
        self.pool.answered();
    }

    /// The instance could not be reached, or broke off.
    pub fn failed(&mut self) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        let now = Instant::now();
        let waited = attempt
            .sent
            .map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        let pool = &self.pool;
        attempt.instance.failed(waited, now, || pool.may_eject(now));
        pool.failed();
        self.failed.push(Arc::clone(&attempt.instance));
    }

    /// Nobody waits for the answer any more: the caller left, or the time is
    /// over.
    pub fn given_up(&mut self) {
        let Some(attempt) = &self.attempt else {
            return;
        };
        let Some(sent) = attempt.sent.filter(|_| !attempt.answered) else {
            return;
        };
        let now = Instant::now();
        let waited = now.saturating_duration_since(sent);
        if waited >= HANGS_AFTER {
            self.failed();
        } else {
            attempt.instance.kept_waiting(waited, now);
        }
    }

    /// The instance said that it cannot answer: another one is asked.
    pub fn pass_over(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.failed.push(Arc::clone(&attempt.instance));
        }
    }

    /// Whether another attempt may be made, and is paid for. Whether the
    /// request can be repeated without harm is for others to know.
    pub fn may_repeat(&self, deadline: Deadline) -> bool {
        self.attempts < MAX_ATTEMPTS && !deadline.passed() && self.pool.withdraw()
    }

    /// The same, at an instance that was not asked yet.
    pub fn may_go_elsewhere(&self, deadline: Deadline) -> bool {
        let current = self.attempt.as_ref().map(|attempt| &attempt.instance);
        let is_tried = |one: &Arc<Instance>| {
            let mut tried = self.failed.iter().chain(current);
            tried.any(|tried| Arc::ptr_eq(tried, one))
        };
        !self.pool.instances().iter().all(is_tried) && self.may_repeat(deadline)
    }
}

impl Drop for Call {
    /// A caller that left is not always heard of otherwise.
    fn drop(&mut self) {
        self.given_up();
    }
}
