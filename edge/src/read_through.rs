//! Answers a read from the cache, or asks the service once for all who wait.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use pingora::{Result, proxy::Session};
use tonic::Code;

use crate::{
    answer,
    body::{self, Body},
    cache::{
        Cache, Found, Outcome,
        entry::Entry,
        epochs::Slot,
        flight::{Landing, Seat, Waiter},
        key::Key,
        plan::CachePlan,
    },
    context::{CacheOutcome, Context},
    frame, metrics,
    origin::Origin,
    protocol::Protocol,
    refusal::Refusal,
    route::MethodRoute,
    trace::Trace,
};

/// Longer questions are not looked at.
const MAX_QUESTION_BYTES: usize = 16 * 1024;
/// How long a caller may take to send a question.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers reads from the cache.
#[derive(Debug, Clone)]
pub struct ReadThrough {
    cache: Arc<Cache>,
    origin: Origin,
    /// For methods that state no timeout.
    default_timeout: Duration,
}

/// A question, read from a request.
enum Question {
    Message(Bytes),
    /// Not one that we read: a service may.
    Other,
}

/// What became of a question that nobody asked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmed {
    /// Its answer is kept now.
    Kept,
    /// A fresh answer is there already, or the service's cannot be kept.
    PassedOver,
    /// The service failed.
    Failed,
}

/// A fetch, from the point of view of one who needs it.
enum Fetching {
    /// It is over already.
    Done(Arc<Entry>),
    /// It began for this one.
    Begun(Waiter<Outcome>),
    /// It began for another one.
    Joined(Waiter<Outcome>),
}

impl ReadThrough {
    /// Answers from this cache, and asks this origin.
    pub fn new(cache: Arc<Cache>, origin: Origin, default_timeout: Duration) -> Self {
        Self {
            cache,
            origin,
            default_timeout,
        }
    }

    /// Answers a request; says whether it did. If not, the request goes on to
    /// the service as it is.
    ///
    /// # Errors
    /// When the caller is gone.
    pub async fn answer(
        &self,
        session: &mut Session,
        context: &mut Context,
        route: &Arc<MethodRoute>,
        plan: &CachePlan,
    ) -> Result<bool> {
        context.cache = CacheOutcome::Bypass;
        let message = match read(session, context).await? {
            Ok(Question::Message(message)) => message,
            Ok(Question::Other) => return Ok(false),
            Err(refusal) => {
                answer::refuse(session, context, refusal).await?;
                return Ok(true);
            }
        };
        // Most questions come in their canonical form, which need not be found
        // out to be answered.
        let as_it_came = Key::as_it_came(route.policy, &message);
        if let Found::Fresh(entry) = self.cache.find(&as_it_came) {
            self.serve(session, context, &entry).await?;
            return Ok(true);
        }
        let Ok((key, request)) = Key::of(route.policy, &message) else {
            answer::refuse(session, context, Refusal::MessageMalformed).await?;
            return Ok(true);
        };
        let found = self.cache.find(&key);
        let (stale, spare) = match found {
            Found::Fresh(entry) => {
                self.serve(session, context, &entry).await?;
                return Ok(true);
            }
            Found::Stale(entry) => {
                // Whoever comes first fetches; nobody waits for it.
                let _ = self.fetch(&key, &plan.slots(&request), route, context.trace);
                self.serve(session, context, &entry).await?;
                return Ok(true);
            }
            Found::Spare(entry) => (true, Some(entry)),
            Found::Nothing => (false, None),
        };
        context.upstream = Some(Arc::from(route.service.name()));
        let (waiter, collapsed) =
            match self.fetch(&key, &plan.slots(&request), route, context.trace) {
                Fetching::Done(entry) => {
                    self.serve(session, context, &entry).await?;
                    return Ok(true);
                }
                Fetching::Begun(waiter) => (waiter, false),
                Fetching::Joined(waiter) => (waiter, true),
            };
        let outcome = self.wait(waiter, context).await;
        let miss = |stored| CacheOutcome::Miss {
            stale,
            stored,
            collapsed,
        };
        match (outcome, spare) {
            (Outcome::Answer(entry, stored), _) => {
                context.cache = miss(stored);
                answer::serve(session, context, &entry).await?;
            }
            (outcome, Some(spare)) if is_outage(&outcome) => {
                self.serve(session, context, &spare).await?;
            }
            (Outcome::Error(reply), _) => {
                context.cache = miss(false);
                answer::service_error(session, context, reply).await?;
            }
            (Outcome::Failed(refusal), _) => {
                context.cache = miss(false);
                answer::refuse(session, context, refusal).await?;
            }
        }
        Ok(true)
    }

    /// Fetches the answer to a question before callers ask it.
    pub async fn warm(&self, route: &Arc<MethodRoute>, message: &Bytes) -> Warmed {
        let (Some(plan), Ok((key, request))) = (&route.cache, Key::of(route.policy, message))
        else {
            return Warmed::PassedOver;
        };
        if self.cache.has_fresh(&key) {
            return Warmed::PassedOver;
        }
        let trace = Trace::of(&HeaderMap::new());
        let waiter = match self.fetch(&key, &plan.slots(&request), route, trace) {
            Fetching::Done(_) => return Warmed::PassedOver,
            Fetching::Begun(waiter) | Fetching::Joined(waiter) => waiter,
        };
        // A fetch has a time limit of its own.
        match waiter.outcome().await {
            Some(Outcome::Answer(_, true)) => Warmed::Kept,
            Some(outcome) if !is_outage(&outcome) => Warmed::PassedOver,
            _ => Warmed::Failed,
        }
    }

    /// Serves a kept answer.
    async fn serve(
        &self,
        session: &mut Session,
        context: &mut Context,
        entry: &Entry,
    ) -> Result<()> {
        context.cache = CacheOutcome::Hit {
            ttl: self.cache.ttl_seconds(entry),
            from_disk: false,
        };
        let bytes = answer::serve(session, context, entry).await?;
        metrics::cache_served(context.route_name(), bytes);
        Ok(())
    }

    async fn wait(&self, waiter: Waiter<Outcome>, context: &Context) -> Outcome {
        let left = context.deadline.left().unwrap_or(self.default_timeout);
        match tokio::time::timeout(left, waiter.outcome()).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::Failed(Refusal::Internal),
            Err(_) => Outcome::Failed(Refusal::DeadlineExceeded),
        }
    }

    /// Joins the fetch of a question, or begins it. The fetch belongs to
    /// nobody: it goes on when the caller who began it leaves.
    fn fetch(&self, key: &Key, slots: &[Slot], route: &Arc<MethodRoute>, trace: Trace) -> Fetching {
        match self.cache.board(key, slots) {
            Seat::Passenger(waiter) => Fetching::Joined(waiter),
            Seat::Pilot(landing, waiter) => {
                // Another fetch may have landed between the look-up and now.
                if let Found::Fresh(entry) = self.cache.find(key) {
                    landing.land(Outcome::Answer(Arc::clone(&entry), true));
                    return Fetching::Done(entry);
                }
                let fetch = self
                    .clone()
                    .fly(landing, slots.into(), Arc::clone(route), trace);
                tokio::spawn(fetch);
                Fetching::Begun(waiter)
            }
        }
    }

    async fn fly(
        self,
        landing: Landing<Key, Outcome>,
        slots: Box<[Slot]>,
        route: Arc<MethodRoute>,
        trace: Trace,
    ) {
        let timeout = route.policy.timeout.unwrap_or(self.default_timeout);
        let asked = self
            .origin
            .ask(&route, landing.key().message(), &trace, timeout)
            .await;
        let outcome = match (asked, &route.cache) {
            (Ok(reply), Some(plan)) if reply.code == Code::Ok as i32 => {
                let (entry, kept) = self.cache.keep(
                    landing.key().clone(),
                    &reply.body,
                    plan.lifetime,
                    landing.epoch(),
                    &slots,
                );
                Outcome::Answer(entry, kept)
            }
            (Ok(reply), _) => Outcome::Error(reply),
            (Err(refusal), _) => Outcome::Failed(refusal),
        };
        landing.land(outcome);
    }
}

/// Whether the service failed, rather than refused.
fn is_outage(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answer(..) => false,
        Outcome::Failed(_) => true,
        Outcome::Error(reply) => matches!(
            Code::from_i32(reply.code),
            Code::Unavailable | Code::Internal | Code::DeadlineExceeded | Code::Unknown
        ),
    }
}

/// Reads the question out of a request.
async fn read(session: &mut Session, context: &Context) -> Result<Result<Question, Refusal>> {
    let patience = context.deadline.left_of(QUESTION_TIMEOUT);
    let body = match body::read(session, MAX_QUESTION_BYTES, patience).await? {
        Body::Whole(body) => body,
        Body::Long => return Ok(Ok(Question::Other)),
        Body::Lost => return Ok(Err(Refusal::BodyTooLarge)),
        Body::Late => return Ok(Err(body::late(context))),
    };
    let body = match context.protocol {
        Protocol::GrpcWebText => match frame::decode_text(&body) {
            Some(body) => body,
            None => return Ok(Err(Refusal::MessageMalformed)),
        },
        _ => body,
    };
    Ok(match frame::single(&body) {
        Ok(message) => Ok(Question::Message(message)),
        Err(frame::NotOne::Other) => Ok(Question::Other),
        Err(frame::NotOne::Torn) => Err(Refusal::MessageMalformed),
    })
}
