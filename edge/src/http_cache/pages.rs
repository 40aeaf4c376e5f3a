//! The pages that are kept, and every decision about them. It does no I/O: it
//! is asked before a request goes to an origin and told what came back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH},
};
use pingora::{Result, http::ResponseHeader};

use super::{
    admission,
    directives::{Allowed, Wanted},
    entry::{Entry, Head},
    freshness::{Exchange, Freshness, Use},
    status::{is_failure, is_of_the_resource},
    tags,
    url::Url,
    vary::{Variant, Vary},
};
use crate::cache::{Cache, epochs::Epoch};

/// URLs that are remembered because their answers cannot be shared.
const MAX_UNSHARED: u64 = 10_000;
/// How long they are remembered.
const UNSHARED_TTL: Duration = Duration::from_secs(10);

/// The pages of one edge.
#[derive(Debug)]
pub struct Pages {
    cache: Arc<Cache>,
    /// Nobody waits for another's fetch of these: it would bring nothing. What
    /// holds with somebody's authorization need not hold without.
    unshared: moka::sync::Cache<(Url, bool), ()>,
}

/// A request that goes to an origin, as the cache sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is asked for.
    pub url: Url,
    /// The caller's headers.
    pub request: HeaderMap,
    /// When, in the order of purges.
    pub epoch: Epoch,
    /// When, by the clock.
    pub asked_ms: i64,
}

impl Asked {
    fn is_authorized(&self) -> bool {
        is_authorized(&self.request)
    }

    fn kind(&self) -> (Url, bool) {
        (self.url.clone(), self.is_authorized())
    }
}

/// Whether what comes may be for this caller alone, because of who he is.
pub fn is_authorized(request: &HeaderMap) -> bool {
    request.contains_key(AUTHORIZATION)
}

/// Why a request goes to the origin, for `cache-status` (RFC 9211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing is kept of the URL.
    UriMiss,
    /// Nothing that is kept of the URL is for such a request.
    VaryMiss,
    /// What is kept has to be looked at by the origin.
    Stale,
    /// The caller wants it so.
    Request,
}

/// What is kept for a request.
#[derive(Debug)]
pub enum Found {
    /// Serve it.
    Fresh(Entry),
    /// Serve it, and fetch a fresh one behind the caller's back.
    Stale(Entry),
    /// Ask the origin, whether this is still good if there is something.
    Nothing(Why, Option<Entry>),
}

/// What came of a 304.
#[derive(Debug)]
pub enum Freshened {
    /// What was kept is good; whether it is kept on.
    Good(Entry, bool),
    /// It speaks of something else: the origin has to be asked without
    /// conditions.
    NotMeant,
}

impl Pages {
    /// Pages in this cache.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self {
            cache,
            unshared: moka::sync::Cache::builder()
                .max_capacity(MAX_UNSHARED)
                .time_to_live(UNSHARED_TTL)
                .build(),
        }
    }

    /// The cache that the pages lie in.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Looks a request up.
    pub fn find(&self, url: &Url, request: &HeaderMap, wanted: &Wanted) -> Found {
        let Some(page) = self.cache.page(url) else {
            return Found::Nothing(Why::UriMiss, None);
        };
        let Some(entry) = page.find(request) else {
            return Found::Nothing(Why::VaryMiss, None);
        };
        if !self.is_valid(&entry.head) {
            self.forget(url, request);
            return Found::Nothing(Why::UriMiss, None);
        }
        let entry = entry.clone();
        let now_ms = self.cache.now_ms();
        let freshness = self.freshness(&entry.head);
        let usable = match freshness.judge(wanted, now_ms) {
            Use::Validate => None,
            usable => self
                .cache
                .is_trusted(entry.head.exchange.answered_ms, now_ms)
                .then_some(usable),
        };
        match usable {
            Some(Use::Serve) => Found::Fresh(entry),
            Some(_) => Found::Stale(entry),
            None => {
                let fresh = freshness.begins_fresh() && freshness.left_ms(now_ms) > 0;
                let why = if fresh { Why::Request } else { Why::Stale };
                Found::Nothing(why, Some(entry))
            }
        }
    }

    /// Whether nothing of an answer was purged since it was asked for.
    pub fn is_valid(&self, head: &Head) -> bool {
        head.is_valid(self.cache.epochs())
    }

    /// How fresh an answer is. A soft purge ends that.
    pub fn freshness(&self, head: &Head) -> Freshness {
        head.freshness(self.cache.epochs())
    }

    /// Whether somebody else's answer, as it comes from the origin, may be
    /// used for this request.
    pub fn is_shared(&self, head: &Head, request: &HeaderMap, wanted: &Wanted) -> bool {
        head.vary.matches(request)
            && self.is_valid(head)
            && self.freshness(head).judge(wanted, self.cache.now_ms()) != Use::Validate
    }

    /// Whether what is kept may be served because the origin failed.
    pub fn covers_failure(&self, entry: &Entry, wanted: &Wanted) -> bool {
        self.is_valid(&entry.head)
            && self
                .freshness(&entry.head)
                .covers_failure(wanted, self.cache.now_ms())
    }

    /// What sets a request apart from others for the same URL, as far as is
    /// known by now.
    pub fn variant(&self, url: &Url, request: &HeaderMap) -> Variant {
        let page = self.cache.page(url);
        page.map(|page| page.variant(request)).unwrap_or_default()
    }

    /// Takes in an answer's headers: how it may be kept, if it may.
    ///
    /// # Errors
    /// Never in practice: all values are valid headers.
    pub fn admit(&self, asked: &Asked, answer: &ResponseHeader) -> Result<Option<Head>> {
        let allowed = Allowed::of(&answer.headers);
        let vary = Vary::of(&answer.headers, &asked.request);
        let slots = tags::slots(&asked.url, &answer.headers);
        let may = admission::is_admitted(&asked.request, answer.status, &answer.headers, &allowed);
        let (true, Some(vary), Some(slots)) = (may, vary, slots) else {
            return Ok(None);
        };
        let exchange = Exchange {
            asked_ms: asked.asked_ms,
            answered_ms: self.cache.now_ms(),
        };
        let mut freshness = Freshness::of(answer.status, &answer.headers, &allowed, exchange);
        if let Some(limit) = self.cache.longest_ttl(&slots, exchange.answered_ms) {
            freshness = freshness.at_most(i64::try_from(limit.as_millis()).unwrap_or(0));
        }
        let tagged = (asked.epoch, slots);
        let head = Head::new(answer.clone(), freshness, vary, tagged, exchange)?;
        // What can be used neither by itself nor after a question is no use.
        let useful = head.freshness.is_ever_used() || !head.validators.is_empty();
        Ok((useful && self.is_valid(&head)).then_some(head))
    }

    /// Keeps an answer, unless it was purged since it was asked for, is too
    /// large, or a newer one is there. Says whether it is kept.
    pub fn keep(&self, asked: &Asked, entry: Entry) -> bool {
        let max_bytes = self.cache.max_entry_bytes();
        let is_there = self.is_valid(&entry.head) && entry.body.is_there();
        if !is_there || entry.size() > max_bytes {
            return false;
        }
        self.unshared.invalidate(&asked.kind());
        let mut kept = false;
        self.cache.change_page(&asked.url, |page| {
            let valid = |old: &Entry| self.is_valid(&old.head);
            let page = page.cloned().unwrap_or_default();
            let with = page.with(entry, &asked.request, valid, max_bytes);
            kept = with.is_some();
            Some(with.unwrap_or(page))
        });
        kept
    }

    /// Takes in a 304 to a question about something that is kept.
    ///
    /// # Errors
    /// Never in practice: all values are valid headers.
    pub fn freshen(
        &self,
        asked: &Asked,
        kept: &Entry,
        not_modified: &ResponseHeader,
    ) -> Result<Freshened> {
        if !kept.head.validators.is_meant(&not_modified.headers) {
            return Ok(Freshened::NotMeant);
        }
        let answer = kept.head.freshened(not_modified)?;
        if let Some(head) = self.admit(asked, &answer)? {
            let head = head.with_length(kept.body.length())?;
            let entry = Entry {
                head: Arc::new(head),
                body: kept.body.clone(),
            };
            let stored = self.keep(asked, entry.clone());
            return Ok(Freshened::Good(entry, stored));
        }
        // The origin vouches for it once, and does not let it be kept on.
        if !asked.is_authorized() {
            self.forget(&asked.url, &asked.request);
        }
        let allowed = Allowed::of(&answer.headers);
        let exchange = Exchange {
            asked_ms: asked.asked_ms,
            answered_ms: self.cache.now_ms(),
        };
        let head = Head::new(
            answer.clone(),
            Freshness::of(answer.status, &answer.headers, &allowed, exchange),
            kept.head.vary.clone(),
            (asked.epoch, kept.head.slots.clone()),
            exchange,
        )?
        .with_length(kept.body.length())?;
        let entry = Entry {
            head: Arc::new(head),
            body: kept.body.clone(),
        };
        Ok(Freshened::Good(entry, false))
    }

    /// Takes in that an answer cannot be shared. What was kept for the request
    /// goes, if the answer says anything of what others would get: nobody can
    /// take a page from all by what he asks.
    pub fn not_shared(&self, asked: &Asked, status: StatusCode) {
        if is_failure(status) {
            return;
        }
        self.unshared.insert(asked.kind(), ());
        if is_of_the_resource(status) && !asked.is_authorized() {
            self.forget(&asked.url, &asked.request);
        }
    }

    /// Whether answers to such requests could not be shared a moment ago.
    pub fn is_unshared(&self, url: &Url, request: &HeaderMap) -> bool {
        self.unshared
            .contains_key(&(url.clone(), is_authorized(request)))
    }

    /// Takes in that the body of an entry is lost.
    pub fn lost(&self, url: &Url, entry: &Entry) {
        self.cache.change_page(url, |page| {
            page.and_then(|page| page.without_head(&entry.head))
        });
    }

    /// Drops what is kept for a request.
    fn forget(&self, url: &Url, request: &HeaderMap) {
        self.cache
            .change_page(url, |page| page.and_then(|page| page.without(request)));
    }

    /// Takes in the success of a request that changes something: what is kept
    /// of its URL, and of those that the answer names, is void.
    /// <https://www.rfc-editor.org/rfc/rfc9111#section-4.4>
    pub fn changed(&self, url: &Url, answer: &ResponseHeader) {
        if !(answer.status.is_success() || answer.status.is_redirection()) {
            return;
        }
        self.cache.purge(&url.tag());
        for name in [http::header::LOCATION, http::header::CONTENT_LOCATION] {
            let named = answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            if let Some(other) = named.and_then(|named| url.join(named)) {
                self.cache.purge(&other.tag());
            }
        }
    }

    /// The body of an answer as far as its headers tell its length.
    pub fn declared_length(answer: &ResponseHeader) -> Option<usize> {
        answer
            .headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// Makes an entry of an answer that has come whole.
    ///
    /// # Errors
    /// Never in practice: a number is a valid header.
    pub fn entry(head: &Head, body: Bytes) -> Result<Entry> {
        Ok(Entry {
            head: Arc::new(head.with_length(body.len())?),
            body: body.into(),
        })
    }
}
