//! Answers a GET or HEAD from the cache, or fetches the page once for all who
//! wait for it.
//!
//! Callers read a page while it arrives ([`fill`](super::fill)): the first has
//! its first byte as soon as the origin sends it, and those who come meanwhile
//! join. What turns out to be for one caller alone goes to the one it was asked
//! for; the others ask for themselves.

use std::{fmt::Display, io, sync::Arc, time::Duration};

use http::{
    HeaderMap, Method, StatusCode,
    header::{
        IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use pingora::{
    ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    proxy::Session,
};
use tokio::sync::oneshot;

use super::{
    directives::Wanted,
    entry::Entry,
    fetch::{self, Arrival},
    fill::{Brought, Filler, Flight, Question},
    pages::{self, Asked, Found, Pages, Why},
    serve::{self, Served},
    status::is_failure,
    url::Url,
    vary::Variant,
};
use crate::{
    answer,
    cache::{
        flight::{Flights, Seat, Waiter},
        reading,
    },
    context::{CacheOutcome, Context, Forward},
    headers, metrics,
    refusal::Refusal,
    site::Site,
};

/// How often a request joins the fetch of another before it goes its own way:
/// the first may turn out to be for other kinds of requests.
const MAX_JOINED: usize = 2;

/// How a caller takes part in a fetch.
#[derive(Debug, Clone, Default)]
struct Boarding {
    /// It begins one in any case.
    anew: bool,
    /// What lies on disk alone does not help.
    disk_failed: bool,
    /// What is known by now of what tells requests apart.
    variant: Option<Variant>,
}

/// A caller's place in a fetch.
enum Place {
    /// It is over already.
    Done(Entry),
    /// It is this caller's: what is for one alone comes to it.
    Own(Waiter<Brought>, oneshot::Receiver<Arrival>),
    /// It is another's.
    Joined(Waiter<Brought>),
}

/// Answers from the pages that are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Through {
    pages: Arc<Pages>,
    flights: Flights<Question, Brought>,
    filler: Filler,
    /// How long an origin may be silent.
    timeout: Duration,
}

impl Through {
    /// Answers from these pages.
    pub fn new(pages: Arc<Pages>, timeout: Duration) -> Self {
        Self {
            filler: Filler::new(Arc::clone(&pages), timeout),
            pages,
            flights: Flights::default(),
            timeout,
        }
    }

    /// Answers a request; says whether it did. If not, the request goes on to
    /// the origin as it is.
    ///
    /// # Errors
    /// When the caller is gone, or the origin broke off.
    pub async fn answer(
        &self,
        session: &mut Session,
        context: &mut Context,
        site: &Site,
    ) -> Result<bool> {
        context.cache = CacheOutcome::Bypass;
        if !matches!(session.req_header().method, Method::GET | Method::HEAD) {
            context.cache = CacheOutcome::Method;
            return Ok(false);
        }
        let is_empty = session.as_downstream_mut().is_body_empty();
        let request = session.req_header();
        let Some(url) = Url::of(request, context.secure) else {
            return Ok(false);
        };
        if !is_question(request, is_empty) {
            return Ok(false);
        }
        let wanted = Wanted::of(&request.headers);
        let mut boarding = Boarding::default();
        let (why, kept) = match self.pages.find(&url, &request.headers, &wanted) {
            Found::Fresh(entry) => {
                if self.hit(session, context, &url, &entry).await? {
                    return Ok(true);
                }
                boarding.disk_failed = true;
                (Why::UriMiss, None)
            }
            Found::Stale(entry) => {
                let kept = Some(entry.clone());
                // Whoever comes first fetches; nobody waits for it.
                let _ = self.board(session, context, &url, kept, site, &boarding)?;
                if self.hit(session, context, &url, &entry).await? {
                    return Ok(true);
                }
                boarding.disk_failed = true;
                (Why::UriMiss, None)
            }
            Found::Nothing(why, kept) => (why, kept),
        };
        let request = session.req_header();
        if wanted.only_if_cached {
            context.cache = CacheOutcome::OnlyIfCached;
            answer::refuse(session, context, Refusal::NotCached).await?;
            return Ok(true);
        }
        let is_unshared = kept.is_none() && self.pages.is_unshared(&url, &request.headers);
        let alone = wanted.no_store
            || (request.method == Method::HEAD && kept.is_none())
            || (is_unshared && wants_less(&request.headers));
        if alone {
            context.cache = miss(why);
            return Ok(false);
        }
        context.upstream = Some(Arc::from(site.prefix()));
        // On the heap, so that a hit pays for none of it.
        boarding.anew = wanted.no_cache || is_unshared;
        Box::pin(self.fetched(session, context, &url, &wanted, boarding, why, kept, site)).await
    }

    /// Changes that pass by make void what is kept of their URLs.
    pub fn passed(&self, request: &RequestHeader, secure: bool, answer: &ResponseHeader) {
        if !request.method.is_safe()
            && let Some(url) = Url::of(request, secure)
        {
            self.pages.changed(&url, answer);
        }
    }

    /// Serves what is kept; says whether it could.
    async fn hit(
        &self,
        session: &mut Session,
        context: &mut Context,
        url: &Url,
        entry: &Entry,
    ) -> Result<bool> {
        let now_ms = self.pages.cache().now_ms();
        let left = self.pages.freshness(&entry.head).left_seconds(now_ms);
        context.cache = CacheOutcome::Hit {
            ttl: left,
            from_disk: entry.body.is_on_disk(),
        };
        let sent = self.send(session, context, url, entry).await?;
        if sent {
            entry.body.hit();
        }
        Ok(sent)
    }

    /// Sends what is kept; says whether it could. A body that is lost on disk
    /// is forgotten, one that is read often from there is brought into memory.
    async fn send(
        &self,
        session: &mut Session,
        context: &mut Context,
        url: &Url,
        entry: &Entry,
    ) -> Result<bool> {
        let now_ms = self.pages.cache().now_ms();
        let prepared = match serve::prepare(session, entry, now_ms).await? {
            Ok(prepared) => prepared,
            Err(error) => {
                if reading::is_busy(&error) {
                    metrics::cache_disk("busy");
                    tracing::debug!(%error, "the disk is busy");
                } else {
                    self.lost(url, entry, &error);
                }
                return Ok(false);
            }
        };
        if entry.body.is_on_disk() {
            // It was purged while the disk was waited for.
            if !self.pages.is_valid(&entry.head) {
                return Ok(false);
            }
            if prepared.has_body() && entry.body.is_for_memory() {
                self.pages.cache().load_page(url);
            }
        }
        match serve::send(session, context, prepared).await {
            Ok(bytes) => {
                metrics::cache_served(context.route_name(), bytes);
                Ok(true)
            }
            Err(error) => {
                let cause = error.root_cause().downcast_ref::<io::Error>();
                if matches!(error.etype(), ErrorType::FileReadError)
                    && !cause.is_some_and(reading::is_busy)
                {
                    self.lost(url, entry, &error);
                }
                Err(error)
            }
        }
    }

    fn lost(&self, url: &Url, entry: &Entry, error: &impl Display) {
        metrics::cache_disk("lost");
        tracing::debug!(%error, "a kept body is lost");
        self.pages.lost(url, entry);
    }

    #[expect(clippy::too_many_arguments, reason = "one request's state")]
    async fn fetched(
        &self,
        session: &mut Session,
        context: &mut Context,
        url: &Url,
        wanted: &Wanted,
        mut boarding: Boarding,
        why: Why,
        mut kept: Option<Entry>,
        site: &Site,
    ) -> Result<bool> {
        let mut forward = Forward {
            why,
            status: None,
            stored: false,
            collapsed: false,
        };
        for _ in 0..MAX_JOINED {
            let place = self.board(session, context, url, kept.clone(), site, &boarding)?;
            let (waiter, alone) = match place {
                Place::Own(waiter, alone) => (waiter, Some(alone)),
                Place::Joined(waiter) => (waiter, None),
                Place::Done(entry) => {
                    if self.hit(session, context, url, &entry).await? {
                        return Ok(true);
                    }
                    (boarding.disk_failed, kept) = (true, None);
                    continue;
                }
            };
            let ours = alone.is_some();
            forward.collapsed = !ours;
            let brought = self.wait(waiter).await;
            let now_ms = self.pages.cache().now_ms();
            let request = &session.req_header().headers;
            match brought {
                // What may not be kept on is for the one whose question it answers.
                Brought::Good(entry, stored)
                    if ours || stored && self.pages.is_shared(&entry.head, request, wanted) =>
                {
                    context.cache = CacheOutcome::Forwarded(Forward {
                        status: Some(StatusCode::NOT_MODIFIED),
                        stored,
                        ..forward
                    });
                    if self.send(session, context, url, &entry).await? {
                        return Ok(true);
                    }
                    (boarding.disk_failed, kept) = (true, None);
                }
                Brought::Page(head, mut tape)
                    if ours || self.pages.is_shared(&head, request, wanted) =>
                {
                    forward.stored = true;
                    context.cache = CacheOutcome::Forwarded(forward);
                    let served =
                        serve::arriving(session, context, &head, &mut tape, ours, now_ms).await?;
                    match (served, alone) {
                        (Served::Until(_), Some(rest)) => {
                            drop(tape);
                            let Ok(arrival) = rest.await else {
                                return serve::torn();
                            };
                            serve::rest(session, arrival).await?;
                        }
                        (Served::Until(_), None) => return serve::torn(),
                        (Served::Nothing, _) => break,
                        (Served::All, _) => {}
                    }
                    return Ok(true);
                }
                Brought::Good(entry, _) => {
                    boarding.variant = Some(entry.head.vary.variant(request));
                }
                Brought::Page(head, _) => boarding.variant = Some(head.vary.variant(request)),
                Brought::Unshared(status) => {
                    forward.status = Some(status);
                    let less = wants_less(request) && status.is_success();
                    if is_failure(status)
                        && self
                            .cover(session, context, url, kept.as_ref(), wanted, forward)
                            .await?
                    {
                        return Ok(true);
                    }
                    if less {
                        break; // the origin is asked for no more than that
                    }
                    let Some(alone) = alone else {
                        // This caller's own may be for everybody.
                        boarding = Boarding {
                            anew: true,
                            ..Boarding::default()
                        };
                        forward.status = None;
                        continue;
                    };
                    context.cache = CacheOutcome::Forwarded(forward);
                    let Ok(arrival) = alone.await else {
                        return serve::torn();
                    };
                    serve::alone(session, context, arrival).await?;
                    return Ok(true);
                }
                Brought::Failed(refusal) => {
                    if !self
                        .cover(session, context, url, kept.as_ref(), wanted, forward)
                        .await?
                    {
                        context.cache = CacheOutcome::Forwarded(forward);
                        answer::refuse(session, context, refusal).await?;
                    }
                    return Ok(true);
                }
            }
        }
        context.cache = miss(why);
        Ok(false)
    }

    /// Serves what is kept because the origin failed, if it may be.
    async fn cover(
        &self,
        session: &mut Session,
        context: &mut Context,
        url: &Url,
        kept: Option<&Entry>,
        wanted: &Wanted,
        forward: Forward,
    ) -> Result<bool> {
        let Some(entry) = kept.filter(|entry| self.pages.covers_failure(entry, wanted)) else {
            return Ok(false);
        };
        context.cache = CacheOutcome::Covered(forward);
        self.send(session, context, url, entry).await
    }

    async fn wait(&self, waiter: Waiter<Brought>) -> Brought {
        // A fetch ends by itself within its time; this is for the worst.
        match tokio::time::timeout(3 * self.timeout, waiter.outcome()).await {
            Ok(Some(brought)) => brought,
            Ok(None) => Brought::Failed(Refusal::Internal),
            Err(_) => Brought::Failed(Refusal::DeadlineExceeded),
        }
    }

    /// Joins the fetch of a page, or begins it.
    fn board(
        &self,
        session: &Session,
        context: &Context,
        url: &Url,
        kept: Option<Entry>,
        site: &Site,
        boarding: &Boarding,
    ) -> Result<Place> {
        let caller = session.req_header();
        let variant = boarding.variant.clone();
        let variant = variant.unwrap_or_else(|| self.pages.variant(url, &caller.headers));
        let is_authorized = pages::is_authorized(&caller.headers);
        let question = (url.clone(), is_authorized, variant);
        let slots = [url.slot()];
        let epochs = self.pages.cache().epochs();
        let (landing, waiter) = if boarding.anew {
            self.flights.begin(&question, &slots, epochs)
        } else {
            match self.flights.board(&question, &slots, epochs) {
                Seat::Passenger(waiter) => return Ok(Place::Joined(waiter)),
                Seat::Pilot(landing, waiter) => {
                    // Another fetch may have landed between the look-up and now.
                    let wanted = Wanted::of(&caller.headers);
                    if let Found::Fresh(entry) = self.pages.find(url, &caller.headers, &wanted)
                        && !(boarding.disk_failed && entry.body.is_on_disk())
                    {
                        landing.land(Brought::Good(entry.clone(), true));
                        return Ok(Place::Done(entry));
                    }
                    (landing, waiter)
                }
            }
        };
        let asked = Asked {
            url: url.clone(),
            request: caller.headers.clone(),
            epoch: landing.epoch(),
            asked_ms: self.pages.cache().now_ms(),
        };
        let mut request = fetch::whole(caller, url)?;
        headers::to_service(&mut request, context, crate::proxy::peer(session))?;
        let (alone, handed) = oneshot::channel();
        let flight = Flight {
            landing,
            asked,
            request,
            kept,
            site: site.clone(),
            alone,
        };
        tokio::spawn(self.filler.clone().fly(flight));
        Ok(Place::Own(waiter, handed))
    }
}

/// Whether a request is one that the cache reads. Conditions on changes are the
/// origin's to judge.
fn is_question(request: &RequestHeader, is_empty: bool) -> bool {
    let has = |name| request.headers.contains_key(name);
    is_empty
        && !has(UPGRADE)
        && !has(TRANSFER_ENCODING)
        && !has(IF_MATCH)
        && !has(IF_UNMODIFIED_SINCE)
}

/// Whether a caller does not need the whole.
fn wants_less(request: &HeaderMap) -> bool {
    [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE]
        .iter()
        .any(|name| request.contains_key(name))
}

fn miss(why: Why) -> CacheOutcome {
    CacheOutcome::Forwarded(Forward {
        why,
        status: None,
        stored: false,
        collapsed: false,
    })
}
