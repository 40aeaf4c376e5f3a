//! The instances of one service and what keeps its troubles its own: places
//! for requests in flight, a breaker, and a budget for repeats.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use svc_kit::{breaker::Breaker, random};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::{
    choice::{self, Candidates, MAX_INSTANCES},
    ejection::MAX_EJECTED_PERCENT,
    instance::Instance,
};
use crate::{metrics, route::Service};

/// Failures of a service in a row, whatever the instance, after which it is
/// not asked any more...
const BREAK_AFTER: u32 = 20;
/// ...but by one request each time this has passed.
pub const BREAK_PAUSE: Duration = Duration::from_secs(1);
/// Repeats that a service's requests allow, for each of them.
const REPEATS_PER_REQUEST: f32 = 0.2;
/// Repeats a second that are allowed besides, so that a service with few
/// requests has some.
const REPEATS_PER_SECOND: u32 = 3;
/// How long requests and repeats count.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// How an instance is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// By load.
    Load,
    /// By a key's hash, so that the same question finds the same instance and
    /// what that one remembers.
    Key(u64),
}

/// A service.
#[derive(Debug)]
pub struct Pool {
    service: Service,
    instances: ArcSwap<Vec<Arc<Instance>>>,
    calls: Places,
    streams: Places,
    breaker: Breaker,
    budget: TpsBudget,
}

/// Requests that may be in flight at once.
#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    max: usize,
}

/// One of them, or of the streams.
#[derive(Debug)]
pub(super) struct Place {
    pool: Arc<Pool>,
    is_stream: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.places(self.is_stream).taken.fetch_sub(1, Relaxed);
    }
}

impl Pool {
    /// A service without instances, for so many calls and streams at once.
    pub fn new(service: Service, max_calls: usize, max_streams: usize) -> Self {
        let places = |max| Places {
            taken: AtomicUsize::new(0),
            max,
        };
        Self {
            service,
            instances: ArcSwap::default(),
            calls: places(max_calls),
            streams: places(max_streams),
            breaker: Breaker::new(BREAK_AFTER, BREAK_PAUSE),
            budget: TpsBudget::new(BUDGET_WINDOW, REPEATS_PER_SECOND, REPEATS_PER_REQUEST),
        }
    }

    /// Which one.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Its instances.
    pub fn instances(&self) -> Arc<Vec<Arc<Instance>>> {
        self.instances.load_full()
    }

    /// Whether it is not asked at the moment.
    pub fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Calls and streams in flight.
    pub fn in_flight(&self) -> (usize, usize) {
        (
            self.calls.taken.load(Relaxed),
            self.streams.taken.load(Relaxed),
        )
    }

    /// Takes these addresses for its instances. What is known of those that
    /// stay is kept; requests on those that go are finished.
    pub fn replace(&self, addresses: &[SocketAddr], now: Instant) {
        let before = self.instances.load();
        let is_same = before.len() == addresses.len()
            && before
                .iter()
                .zip(addresses)
                .all(|(one, address)| one.address() == *address);
        if is_same {
            return;
        }
        let known = |address| before.iter().find(|one| one.address() == address).cloned();
        let after = addresses
            .iter()
            .take(MAX_INSTANCES)
            .map(|address| {
                known(*address)
                    .unwrap_or_else(|| Arc::new(Instance::new(self.service, *address, now)))
            })
            .collect();
        self.instances.store(Arc::new(after));
        tracing::info!(service = self.service.name(), ?addresses, "instances");
    }

    /// An instance for one attempt, another one than those that were tried if
    /// there is one. When none is well, all are asked: nothing is lost by it.
    pub(super) fn choose(
        &self,
        choice: Choice,
        tried: &[Arc<Instance>],
        now: Instant,
    ) -> Option<Arc<Instance>> {
        let instances = self.instances.load();
        let those = |holds: &dyn Fn(&Arc<Instance>) -> bool| {
            Candidates::those(instances.len(), |place| {
                instances.get(place).is_some_and(holds)
            })
        };
        let is_new = |one: &Arc<Instance>| !tried.iter().any(|tried| Arc::ptr_eq(tried, one));
        let usable = those(&|one| one.is_usable(now) && is_new(one));
        let from = if usable.is_empty() {
            those(&|one| one.is_usable(now))
                .or(those(&is_new))
                .or(those(&|_| true))
        } else {
            usable
        };
        let at = |place: usize| instances.get(place);
        let chosen = match choice {
            Choice::Load => {
                choice::two_choices(from, u64::from_ne_bytes(random::bytes()), |place| {
                    at(place).map_or(f64::MAX, |one| one.cost(now))
                })
            }
            Choice::Key(key) => choice::rendezvous(
                from,
                key,
                |place| at(place).map_or(0, |one| one.identity()),
                |place| at(place).map_or(usize::MAX, |one| one.in_flight()),
            ),
        };
        at(chosen?).cloned()
    }

    /// Whether one more instance may be left alone.
    pub(super) fn may_eject(&self, now: Instant) -> bool {
        let instances = self.instances.load();
        let out = instances
            .iter()
            .filter(|one| one.out_for(now).is_some())
            .count();
        let usable = instances.iter().filter(|one| one.is_usable(now)).count();
        (out + 1) * 100 <= instances.len() * MAX_EJECTED_PERCENT && usable > 1
    }

    /// A place for one request, if there is one.
    pub(super) fn place(self: &Arc<Self>, is_stream: bool) -> Option<Place> {
        let places = self.places(is_stream);
        let place = Place {
            pool: Arc::clone(self),
            is_stream,
        };
        let taken = places.taken.fetch_add(1, Relaxed);
        (taken < places.max).then_some(place) // given back if it was one too many
    }

    fn places(&self, is_stream: bool) -> &Places {
        if is_stream {
            &self.streams
        } else {
            &self.calls
        }
    }

    /// Whether to ask at all.
    pub(super) fn admits(&self) -> bool {
        self.breaker.admits()
    }

    /// A request pays for a part of a repeat.
    pub(super) fn deposit(&self) {
        self.budget.deposit();
    }

    /// Whether a repeat can be paid for.
    pub(super) fn withdraw(&self) -> bool {
        let paid = self.budget.withdraw();
        metrics::repeated(self.service, paid);
        paid
    }

    /// An instance answered.
    pub(super) fn answered(&self) {
        self.breaker.succeeded();
    }

    /// An instance did not.
    pub(super) fn failed(&self) {
        if self.breaker.failed() {
            metrics::broken(self.service);
            tracing::warn!(
                service = self.service.name(),
                "service is not asked any more"
            );
        }
    }
}
