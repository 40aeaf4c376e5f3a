//! Whatever is asked, answered, purged and waited for, in whatever order: what
//! is served is what the standard and the purges allow. The oracle is a model
//! of its own, which shares no code with the cache: it knows which answer each
//! body belongs to, what was said with it, and what has happened since.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use proptest::prelude::*;
use svc_kit::clock::Clock;

use super::{
    date,
    directives::Wanted,
    entry::Entry,
    pages::{Asked, Found, Freshened, Pages},
    url::Url,
};
use crate::cache::Cache;

const TAGS: [&str; 2] = ["red", "blue"];

/// What an origin says with an answer. Times are seconds.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive")]
struct Said {
    no_store: bool,
    private: bool,
    public: bool,
    no_cache: bool,
    must_revalidate: bool,
    max_age: Option<i64>,
    s_maxage: Option<i64>,
    while_revalidate: Option<i64>,
    if_error: Option<i64>,
    cdn_max_age: Option<i64>,
    /// After the answer's date.
    expires: Option<i64>,
    /// Before the answer's date.
    modified: Option<i64>,
    /// Before the answer came.
    dated: i64,
    age: Option<i64>,
    varies: bool,
    cookie: bool,
    tag: Option<usize>,
    etag: bool,
}

/// What a caller says.
#[derive(Debug, Clone, Default)]
struct Says {
    url: usize,
    language: Option<&'static str>,
    authorized: bool,
    no_cache: bool,
    max_age: Option<i64>,
    min_fresh: Option<i64>,
    max_stale: Option<i64>,
    if_error: Option<i64>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Somebody asks; what is not kept is asked of the origin.
    Ask(Says),
    /// The origin answers what it was asked, and somebody waits with the asker.
    Answer(usize, Said, Says),
    /// The origin says that what is kept is still good.
    NotModified(usize, Said),
    /// The origin says so of something else.
    NotMeant(usize),
    /// The origin fails.
    Fail(usize),
    Wait(u64),
    Purge(usize),
    PurgeAll,
    /// Somebody changes a page.
    Change(usize),
}

/// A confirmation of an answer by the origin: the model's memory.
#[derive(Debug, Clone)]
struct Fact {
    url: usize,
    says: Says,
    said: Said,
    /// The absolute dates that were said.
    date_ms: i64,
    expires_ms: Option<i64>,
    modified_ms: Option<i64>,
    asked_ms: i64,
    answered_ms: i64,
    /// The number of the event at which it was asked for.
    asked_at: usize,
}

/// A question on its way to the origin.
struct Pending {
    says: Says,
    asked: Asked,
    asked_at: usize,
    /// What was kept then, and what was known of it.
    kept: Option<(Entry, Fact)>,
}

/// How something was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Hit,
    /// Somebody fetches a fresh one meanwhile.
    WhileRevalidating,
    /// The origin failed.
    IfError,
}

struct World {
    pages: Pages,
    clock: Clock,
    events: usize,
    /// What is void: a page or a tag, and when it became so.
    void: Vec<(Void, usize)>,
    facts: Vec<Fact>,
    pending: Vec<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Void {
    Url(usize),
    Tag(usize),
    All,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + Duration::from_hours(24 * 365));
        let cache = Arc::new(Cache::new(64 << 20, clock.clone()));
        Self {
            pages: Pages::new(cache),
            clock,
            events: 0,
            void: Vec::new(),
            facts: Vec::new(),
            pending: Vec::new(),
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// Whether the standard and the purges allow that this answer is served.
    fn allows(&self, fact: &Fact, says: &Says, how: How) -> Result<(), &'static str> {
        let (now, said) = (self.now_ms(), effective(&fact.said));
        let must = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
        must(fact.url == says.url, "another page")?;
        must(
            !said.varies || fact.says.language == says.language,
            "another language",
        )?;
        must(!said.no_store, "no-store")?;
        must(!said.private, "private")?;
        must(!said.cookie || said.public, "somebody's cookie")?;
        let for_all = said.public || said.s_maxage.is_some() || said.must_revalidate;
        must(!fact.says.authorized || for_all, "somebody's own")?;
        let voided = self.void.iter().any(|(void, at)| {
            *at > fact.asked_at
                && match void {
                    Void::Url(url) => *url == fact.url,
                    Void::Tag(tag) => fact.said.tag == Some(*tag),
                    Void::All => true,
                }
        });
        must(!voided, "purged")?;
        must(!said.no_cache && !says.no_cache, "no-cache")?;

        let looks = (fact.answered_ms - fact.date_ms).max(0);
        let told = said.age.unwrap_or(0) * 1000 + fact.answered_ms - fact.asked_ms;
        let age = looks.max(told) + now - fact.answered_ms;
        let lifetime = if let Some(seconds) = said.s_maxage {
            seconds * 1000
        } else if let Some(seconds) = said.max_age {
            seconds * 1000
        } else if let (Some(expires), None) = (fact.expires_ms, said.cdn_max_age) {
            expires - fact.date_ms
        } else {
            let rest = fact
                .modified_ms
                .map_or(0, |modified| fact.date_ms - modified);
            (rest / 10).min(3_600_000)
        };
        let stale = age - lifetime;
        let strict = said.must_revalidate || said.s_maxage.is_some();
        if how != How::IfError {
            must(
                says.max_age.is_none_or(|limit| age <= limit * 1000),
                "older than asked for",
            )?;
            must(
                says.min_fresh.is_none_or(|wish| -stale >= wish * 1000),
                "min-fresh",
            )?;
        }
        if stale < 0 {
            return Ok(());
        }
        must(!strict, "stale though it must not be")?;
        let within = |seconds: Option<i64>| seconds.is_some_and(|s| stale <= s * 1000);
        let excused = match how {
            How::Hit => within(says.max_stale),
            How::WhileRevalidating => within(said.while_revalidate),
            How::IfError => within(said.if_error) || within(says.if_error),
        };
        must(excused, "stale")
    }

    fn check(&self, fact: &Fact, says: &Says, how: How) {
        if let Err(why) = self.allows(fact, says, how) {
            panic!(
                "{why}: served as {how:?} at {}: {fact:?} to {says:?}",
                self.now_ms()
            );
        }
    }

    fn step(&mut self, step: Step) {
        self.events += 1;
        match step {
            Step::Ask(says) => {
                let (url, headers) = request(&says);
                let wanted = Wanted::of(&headers);
                let kept = match self.pages.find(&url, &headers, &wanted) {
                    Found::Fresh(entry) => {
                        return self.check(&self.facts[id(&entry)], &says, How::Hit);
                    }
                    Found::Stale(entry) => {
                        self.check(&self.facts[id(&entry)], &says, How::WhileRevalidating);
                        Some(entry)
                    }
                    Found::Nothing(_, kept) => kept,
                };
                let kept = kept.map(|entry| {
                    let fact = self.facts[id(&entry)].clone();
                    (entry, fact)
                });
                let asked = Asked {
                    url,
                    request: headers,
                    epoch: self.pages.cache().epochs().now(),
                    asked_ms: self.now_ms(),
                };
                self.pending.push(Pending {
                    says,
                    asked,
                    asked_at: self.events,
                    kept,
                });
            }
            Step::Answer(n, said, other) => {
                let Some(pending) = self.take(n) else { return };
                let fact = self.fact(&pending, said, None);
                let answer = answer(StatusCode::OK, &fact, self.facts.len());
                let body = Bytes::from(self.facts.len().to_string());
                let admitted = self.pages.admit(&pending.asked, &answer).unwrap();
                self.facts.push(fact.clone());
                let Some(head) = admitted else {
                    return self.pages.not_shared(&pending.asked, StatusCode::OK);
                };
                let (_, headers) = request(&other);
                // Flights are told apart by their URLs.
                let together = other.url == fact.url;
                if together && self.pages.is_shared(&head, &headers, &Wanted::of(&headers)) {
                    let allowed = [How::Hit, How::WhileRevalidating]
                        .map(|how| self.allows(&fact, &other, how));
                    assert!(
                        allowed.iter().any(Result::is_ok),
                        "{allowed:?} {fact:?} {other:?}"
                    );
                }
                let entry = Pages::entry(&head, body).unwrap();
                self.pages.keep(&pending.asked, entry);
            }
            Step::NotModified(n, said) => {
                let Some(pending) = self.take_conditional(n) else {
                    return;
                };
                let (kept, before) = pending.kept.as_ref().unwrap();
                let id = id(kept);
                let fact = self.fact(&pending, said, Some(before));
                let answer = answer(StatusCode::NOT_MODIFIED, &fact, id);
                match self.pages.freshen(&pending.asked, kept, &answer).unwrap() {
                    Freshened::Good(_, true) => self.facts[id] = fact,
                    Freshened::Good(_, false) => {}
                    Freshened::NotMeant => panic!("{answer:?} is about {kept:?}"),
                }
            }
            Step::NotMeant(n) => {
                let Some(pending) = self.take_conditional(n) else {
                    return;
                };
                let (kept, _) = pending.kept.as_ref().unwrap();
                let mut answer = ResponseHeader::build(304, None).unwrap();
                answer.insert_header("etag", "\"another\"").unwrap();
                answer
                    .insert_header("cache-control", "max-age=1000")
                    .unwrap();
                let freshened = self.pages.freshen(&pending.asked, kept, &answer).unwrap();
                assert!(matches!(freshened, Freshened::NotMeant));
            }
            Step::Fail(n) => {
                let Some(pending) = self.take(n) else { return };
                if let Some((kept, fact)) = &pending.kept
                    && self
                        .pages
                        .covers_failure(kept, &Wanted::of(&pending.asked.request))
                {
                    self.check(fact, &pending.says, How::IfError);
                }
            }
            Step::Wait(ms) => self.clock.advance(Duration::from_millis(ms)),
            Step::Purge(tag) => {
                self.pages.cache().purge(TAGS[tag]);
                self.void.push((Void::Tag(tag), self.events));
            }
            Step::PurgeAll => {
                self.pages.cache().purge_all();
                self.void.push((Void::All, self.events));
            }
            Step::Change(url) => {
                let answer = ResponseHeader::build(204, None).unwrap();
                let says = Says {
                    url,
                    ..Says::default()
                };
                self.pages.changed(&request(&says).0, &answer);
                self.void.push((Void::Url(url), self.events));
            }
        }
    }

    fn take(&mut self, n: usize) -> Option<Pending> {
        (!self.pending.is_empty()).then(|| self.pending.swap_remove(n % self.pending.len()))
    }

    /// A question that was asked with conditions.
    fn take_conditional(&mut self, n: usize) -> Option<Pending> {
        let pending = self.take(n)?;
        let (kept, _) = pending.kept.as_ref()?;
        (!kept.head.validators.is_empty()).then_some(pending)
    }

    /// What is known after the origin has spoken; a 304 leaves what it does not
    /// speak of as it was.
    fn fact(&self, pending: &Pending, said: Said, before: Option<&Fact>) -> Fact {
        let now = self.now_ms();
        let date_ms = (now - said.dated * 1000) / 1000 * 1000;
        let mut said = said;
        let mut expires_ms = said.expires.map(|after| date_ms + after * 1000);
        let mut modified_ms = said.modified.map(|ago| date_ms - ago * 1000);
        if let Some(before) = before {
            expires_ms = expires_ms.or(before.expires_ms);
            // What a 304 was asked about did not change.
            modified_ms = before.modified_ms;
            said.cdn_max_age = said.cdn_max_age.or(before.said.cdn_max_age);
            said.tag = said.tag.or(before.said.tag);
            said.varies |= before.said.varies;
            said.cookie |= before.said.cookie;
            said.etag = before.said.etag;
        }
        Fact {
            url: pending.says.url,
            says: pending.says.clone(),
            said,
            date_ms,
            expires_ms,
            modified_ms,
            asked_ms: pending.asked.asked_ms,
            answered_ms: now,
            asked_at: pending.asked_at,
        }
    }
}

/// The number of an answer: it is its body.
fn id(entry: &Entry) -> usize {
    std::str::from_utf8(&entry.body).unwrap().parse().unwrap()
}

/// What counts of what was said: the targeted field replaces the other.
fn effective(said: &Said) -> Said {
    let Some(seconds) = said.cdn_max_age else {
        return said.clone();
    };
    Said {
        max_age: Some(seconds),
        cdn_max_age: said.cdn_max_age,
        age: said.age,
        varies: said.varies,
        cookie: said.cookie,
        tag: said.tag,
        ..Said::default()
    }
}

fn request(says: &Says) -> (Url, HeaderMap) {
    let path = format!("/{}", says.url);
    let mut request = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
    request.insert_header("host", "shop.example").unwrap();
    if let Some(language) = says.language {
        request.insert_header("accept-language", language).unwrap();
    }
    if says.authorized {
        request.insert_header("authorization", "Basic x").unwrap();
    }
    let mut control = Vec::new();
    if says.no_cache {
        control.push("no-cache".to_owned());
    }
    for (name, seconds) in [
        ("max-age", says.max_age),
        ("min-fresh", says.min_fresh),
        ("max-stale", says.max_stale),
        ("stale-if-error", says.if_error),
    ] {
        control.extend(seconds.map(|seconds| format!("{name}={seconds}")));
    }
    request
        .insert_header("cache-control", control.join(", "))
        .unwrap();
    (Url::of(&request, true).unwrap(), request.headers.clone())
}

fn answer(status: StatusCode, fact: &Fact, id: usize) -> ResponseHeader {
    let said = &fact.said;
    let mut answer = ResponseHeader::build(status, None).unwrap();
    let mut control = vec!["unknown=1".to_owned()];
    for (name, holds) in [
        ("no-store", said.no_store),
        ("private", said.private),
        ("public", said.public),
        ("no-cache", said.no_cache),
        ("must-revalidate", said.must_revalidate),
    ] {
        control.extend(holds.then(|| name.to_owned()));
    }
    for (name, seconds) in [
        ("max-age", said.max_age),
        ("s-maxage", said.s_maxage),
        ("stale-while-revalidate", said.while_revalidate),
        ("stale-if-error", said.if_error),
    ] {
        control.extend(seconds.map(|seconds| format!("{name}={seconds}")));
    }
    let mut put = |name: &'static str, value: Option<String>| {
        if let Some(value) = value {
            answer
                .insert_header(name, HeaderValue::from_str(&value).unwrap())
                .unwrap();
        }
    };
    put("cache-control", Some(control.join(", ")));
    put(
        "cdn-cache-control",
        said.cdn_max_age.map(|s| format!("max-age={s}")),
    );
    put("date", Some(date::format(fact.date_ms)));
    put("expires", fact.expires_ms.map(date::format));
    put("last-modified", fact.modified_ms.map(date::format));
    put("age", said.age.map(|age| age.to_string()));
    put("vary", said.varies.then(|| "Accept-Language".to_owned()));
    put("set-cookie", said.cookie.then(|| "a=b".to_owned()));
    put("cache-tag", said.tag.map(|tag| TAGS[tag].to_owned()));
    put("etag", said.etag.then(|| format!("\"{id}\"")));
    answer
}

fn seconds(probability: f64) -> impl Strategy<Value = Option<i64>> {
    prop::option::weighted(probability, prop_oneof![0..10i64, 10..60i64])
}

fn said() -> impl Strategy<Value = Said> {
    let rare = || prop::bool::weighted(0.08);
    let flags = (rare(), rare(), prop::bool::weighted(0.3), rare(), rare());
    let times = (
        seconds(0.7),
        seconds(0.15),
        seconds(0.4),
        seconds(0.4),
        seconds(0.1),
    );
    let dates = (
        prop::option::weighted(0.2, -5..60i64),
        prop::option::weighted(0.4, 0..600i64),
        prop_oneof![3 => Just(0), 1 => 0..20i64],
        seconds(0.2),
    );
    let rest = (
        prop::bool::weighted(0.4),
        rare(),
        prop::option::weighted(0.5, 0..TAGS.len()),
        any::<bool>(),
    );
    (flags, times, dates, rest).prop_map(|(flags, times, dates, rest)| Said {
        no_store: flags.0,
        private: flags.1,
        public: flags.2,
        no_cache: flags.3,
        must_revalidate: flags.4,
        max_age: times.0,
        s_maxage: times.1,
        while_revalidate: times.2,
        if_error: times.3,
        cdn_max_age: times.4,
        expires: dates.0,
        modified: dates.1,
        dated: dates.2,
        age: dates.3,
        varies: rest.0,
        cookie: rest.1,
        tag: rest.2,
        etag: rest.3,
    })
}

fn says() -> impl Strategy<Value = Says> {
    let who = (
        0..2usize,
        prop::option::of(prop::sample::select(vec!["de", "en"])),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.05),
    );
    let times = (seconds(0.1), seconds(0.1), seconds(0.15), seconds(0.15));
    (who, times).prop_map(|(who, times)| Says {
        url: who.0,
        language: who.1,
        authorized: who.2,
        no_cache: who.3,
        max_age: times.0,
        min_fresh: times.1,
        max_stale: times.2,
        if_error: times.3,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..8usize;
    prop_oneof![
        8 => says().prop_map(Step::Ask),
        6 => (n(), said(), says()).prop_map(|(n, said, says)| Step::Answer(n, said, says)),
        2 => (n(), said()).prop_map(|(n, said)| Step::NotModified(n, said)),
        1 => n().prop_map(Step::NotMeant),
        1 => n().prop_map(Step::Fail),
        5 => prop_oneof![0..3000u64, 0..40_000u64].prop_map(Step::Wait),
        1 => (0..TAGS.len()).prop_map(Step::Purge),
        1 => Just(Step::PurgeAll),
        1 => (0..2usize).prop_map(Step::Change),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_is_served_that_the_standard_or_a_purge_forbids(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
    }
}
