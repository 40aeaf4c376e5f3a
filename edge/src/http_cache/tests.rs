//! Whatever is asked, answered, purged and waited for, in whatever order: what
//! is served is what the standard and the purges allow. The oracle is a model
//! of its own, which shares no code with the cache: each answer and each 304
//! has a number, which goes with what is kept, and the model knows what was
//! said with it and what has happened since.

mod examples;
mod messages;
mod model;
mod strategies;

use std::{
    collections::HashSet,
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use bytes::Bytes;
use chrono::DateTime;
use http::StatusCode;
use pingora::http::ResponseHeader;
use proptest::prelude::*;
use svc_kit::clock::Clock;
use tempfile::TempDir;

use self::{
    messages::{NUMBER, answer, path, request, url},
    model::{Fact, How, Purge, Said, Says, Taken},
    strategies::step,
};
use super::{
    directives::Wanted,
    entry::{Entry, Head},
    pages::{Asked, Found, Freshened, Pages},
};
use crate::cache::{Cache, folder::Folder};

const TAGS: [&str; 2] = ["red", "blue"];
/// What memory may hold: all that is ever kept here.
const MEMORY_BYTES: u64 = 64 << 20;
/// A body that goes to disk.
const BODY_BYTES: usize = 40_000;
/// What a disk may hold: not all, or all.
const DISK_BYTES: [u64; 2] = [5 * 40_960, 64 << 20];

#[derive(Debug, Clone)]
enum Step {
    /// Somebody asks; what is not kept is asked of the origin.
    Ask(Says),
    /// The origin answers what it was asked.
    Answer(usize, Said),
    /// Somebody waits for an answer that was fetched for somebody else.
    Join(usize, Says),
    /// The origin says that what is kept is still good.
    NotModified(usize, Said),
    /// The origin says so of something else.
    NotMeant(usize),
    /// The origin fails.
    Fail(usize),
    Wait(u64),
    Purge(Taken),
    PurgeSoftly(Taken),
    /// Purges cannot be heard from now on, or can again.
    Deafen(bool),
    /// Nothing is written until somebody waits for it.
    PauseDisk,
    /// Memory lets go of all that it holds, before or after it is on disk.
    Evict {
        written: bool,
    },
    /// A page is read into memory again.
    Load(usize),
    /// Somebody changes a page, if the origin lets him; the answer may name
    /// others.
    Change {
        url: usize,
        status: u16,
        location: Option<usize>,
        content: Option<usize>,
    },
}

/// A question on its way to the origin.
struct Pending {
    says: Says,
    asked: Asked,
    asked_at: usize,
    /// What was kept then, and what was known of it.
    kept: Option<(Entry, Fact)>,
}

struct World {
    pages: Pages,
    clock: Clock,
    deaf: bool,
    events: usize,
    purges: Vec<Purge>,
    facts: Vec<Fact>,
    /// The facts whose answers are kept for sure.
    kept: Vec<usize>,
    pending: Vec<Pending>,
    /// Those whose answers are kept no more, for sure.
    gone: HashSet<usize>,
    /// What is handed to those who wait.
    arrived: Vec<(Head, Fact)>,
    disk: Option<TempDir>,
    /// Whether the disk is too small for all.
    loses: bool,
    paused: Option<Receiver<()>>,
}

impl World {
    fn new(disk_bytes: Option<u64>) -> Self {
        let disk = disk_bytes.map(|_| tempfile::tempdir().unwrap());
        let clock = Clock::manual(DateTime::UNIX_EPOCH + Duration::from_hours(24 * 365));
        let cache = match disk_bytes.zip(disk.as_ref()) {
            None => Cache::new(MEMORY_BYTES, clock.clone()),
            Some((max_bytes, dir)) => {
                let folder = Folder::create(dir.path(), max_bytes).unwrap();
                Cache::with_folder(MEMORY_BYTES, folder, clock.clone()).unwrap()
            }
        };
        Self {
            pages: Pages::new(Arc::new(cache)),
            disk,
            loses: disk_bytes == Some(DISK_BYTES[0]),
            paused: None,
            clock,
            deaf: false,
            events: 0,
            purges: Vec::new(),
            facts: Vec::new(),
            kept: Vec::new(),
            gone: HashSet::new(),
            pending: Vec::new(),
            arrived: Vec::new(),
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn check(&self, fact: &Fact, says: &Says, how: How) {
        let now_ms = self.now_ms();
        if let Err(why) = fact.may_be_served(says, how, &self.purges, (now_ms, self.deaf)) {
            panic!("{why}: served as {how:?} at {now_ms}: {fact:?} to {says:?}");
        }
    }

    /// Checks what was found, and that there is nothing newer.
    fn check_found(&self, entry: &Entry, says: &Says, how: How) {
        let fact = &self.facts[number(&entry.head)];
        self.check(fact, says, how);
        assert!(
            !self.gone.contains(&number(&entry.head)),
            "{fact:?} is back"
        );
        let Some(version) = version(entry) else {
            assert!(self.loses, "{fact:?} is lost");
            return; // it would be asked for
        };
        assert_eq!(self.facts[version].url, fact.url, "another's body");
        if let Some(tag) = entry.head.answer.headers.get("etag") {
            assert_eq!(tag, &format!("\"{version}\""), "an older body");
        }
        for newer in self.kept.iter().map(|number| &self.facts[*number]) {
            assert!(
                newer.asked_ms <= fact.asked_ms || !newer.answers(says),
                "{newer:?} is newer than {fact:?}"
            );
        }
    }

    fn step(&mut self, step: Step) {
        self.events += 1;
        match step {
            Step::Ask(says) => self.ask(says),
            Step::Answer(n, said) => self.answer(n, said),
            Step::Join(n, says) => {
                let latest = self.arrived.len().checked_sub(1 + n % 2);
                let Some((head, fact)) = latest.map(|at| &self.arrived[at]) else {
                    return;
                };
                let (_, headers) = request(&says);
                // Fetches are told apart by their URLs.
                if says.url == fact.url
                    && self.pages.is_shared(head, &headers, &Wanted::of(&headers))
                {
                    self.check(fact, &says, How::Joined);
                }
            }
            Step::NotModified(n, said) => self.not_modified(n, said),
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
            Step::Purge(taken) => {
                match taken {
                    Taken::Tag(tag) => self.pages.cache().purge(TAGS[tag]),
                    Taken::Url(n) => self.pages.cache().purge(&url(n).tag()),
                    Taken::All => self.pages.cache().purge_all(),
                }
                self.purged(taken, false);
            }
            Step::PurgeSoftly(taken) => {
                match taken {
                    Taken::Tag(tag) => self.pages.cache().purge_soft(TAGS[tag]),
                    Taken::Url(n) => self.pages.cache().purge_soft(&url(n).tag()),
                    Taken::All => return,
                }
                self.purged(taken, true);
            }
            Step::Deafen(deaf) => {
                self.deaf = deaf;
                self.pages.cache().set_deaf(deaf);
            }
            Step::Evict { written } if self.disk.is_some() => {
                if written {
                    self.paused = None;
                    self.pages.cache().settle();
                }
                self.pages.cache().forget_memory();
            }
            Step::Evict { .. } => {}
            Step::PauseDisk => self.paused = self.pages.cache().pause_disk(),
            Step::Load(n) => self.pages.cache().load_page(&url(n)),
            Step::Change {
                url: changed,
                status,
                location,
                content,
            } => {
                let mut answer = ResponseHeader::build(status, None).unwrap();
                for (name, named) in [("location", location), ("content-location", content)] {
                    if let Some(named) = named {
                        answer.insert_header(name, path(named)).unwrap();
                    }
                }
                self.pages.changed(&url(changed), &answer);
                if status < 400 {
                    for url in [Some(changed), location, content].into_iter().flatten() {
                        self.purged(Taken::Url(url), false);
                    }
                }
            }
        }
    }

    fn ask(&mut self, says: Says) {
        let (url, headers) = request(&says);
        let wanted = Wanted::of(&headers);
        let kept = match self.pages.find(&url, &headers, &wanted) {
            Found::Fresh(entry) => return self.check_found(&entry, &says, How::Hit),
            Found::Stale(entry) => {
                self.check_found(&entry, &says, How::WhileRevalidating);
                Some(entry)
            }
            Found::Nothing(_, kept) => kept,
        };
        let kept = kept.map(|entry| {
            let fact = self.facts[number(&entry.head)].clone();
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

    fn answer(&mut self, n: usize, said: Said) {
        let Some(pending) = self.take(n) else { return };
        let fact = self.fact(&pending, said, None);
        let number = self.facts.len();
        let answer = answer(fact.said.status, &fact, number, number);
        let admitted = self.pages.admit(&pending.asked, &answer).unwrap();
        self.facts.push(fact.clone());
        let Some(head) = admitted else {
            self.forget(fact.url);
            let status = StatusCode::from_u16(fact.said.status).unwrap();
            if matches!(fact.said.status, 200..400 | 404) && !fact.says.authorized {
                self.gone(&fact.says, number);
            }
            return self.pages.not_shared(&pending.asked, status);
        };
        let entry = Pages::entry(&head, self.body(number)).unwrap();
        if self.pages.keep(&pending.asked, entry) {
            self.replaced(&pending.says, number);
        }
        self.arrived.push((head, fact));
    }

    fn not_modified(&mut self, n: usize, said: Said) {
        let Some(pending) = self.take_conditional(n) else {
            return;
        };
        let (kept, before) = pending.kept.as_ref().unwrap();
        let Some(version) = version(kept) else {
            return;
        };
        let number_before = number(&kept.head);
        let fact = self.fact(&pending, said, Some(before));
        let number = self.facts.len();
        self.facts.push(fact.clone());
        let answer = answer(304, &fact, version, number);
        match self.pages.freshen(&pending.asked, kept, &answer).unwrap() {
            Freshened::Good(entry, stored) => {
                // What must not be kept any more must not be served any more. To
                // whom is authorized the origin speaks of him alone.
                if !fact.says.authorized && fact.may_be_kept().is_err() {
                    self.facts[number_before] = fact.clone();
                }
                if stored {
                    self.replaced(&pending.says, number);
                    self.arrived.push(((*entry.head).clone(), fact));
                } else {
                    self.forget(fact.url);
                }
            }
            Freshened::NotMeant => panic!("{answer:?} is about {kept:?}"),
        }
    }

    fn purged(&mut self, taken: Taken, soft: bool) {
        self.purges.push(Purge {
            taken,
            soft,
            event: self.events,
            at_ms: self.now_ms(),
        });
        if !soft {
            self.kept.clear();
        }
    }

    /// All older answers to the same request are gone.
    fn gone(&mut self, says: &Says, before: usize) {
        let older = self.facts[..before].iter().enumerate();
        let gone = older.filter(|(_, fact)| fact.answers(says));
        self.gone.extend(gone.map(|(number, _)| number));
    }

    /// What is kept of a page may be gone.
    fn forget(&mut self, url: usize) {
        let facts = &self.facts;
        self.kept.retain(|number| facts[*number].url != url);
    }

    /// An answer is kept instead of all others to the same request.
    fn replaced(&mut self, says: &Says, number: usize) {
        self.gone(says, number);
        let facts = &self.facts;
        self.kept.retain(|older| {
            let replaced = facts[*older].answers(says);
            let newer = facts[*older].asked_ms > facts[number].asked_ms;
            assert!(!(replaced && newer), "{older} is newer than {number}");
            !replaced
        });
        // What the origin cannot be asked about may go by itself.
        let fact = &facts[number];
        if fact.said.etag || fact.modified_ms.is_some() {
            self.kept.push(number);
        }
    }

    /// A body that tells its version, and is worth a place on disk if there is
    /// one.
    fn body(&self, version: usize) -> Bytes {
        let length = if self.disk.is_some() { BODY_BYTES } else { 0 };
        format!("{version:<length$}").into()
    }

    fn take(&mut self, n: usize) -> Option<Pending> {
        (!self.pending.is_empty()).then(|| self.pending.swap_remove(n % self.pending.len()))
    }

    /// A question that was asked with conditions.
    fn take_conditional(&mut self, n: usize) -> Option<Pending> {
        let conditional: Vec<usize> = (0..self.pending.len())
            .filter(|at| {
                let kept = self.pending[*at].kept.as_ref();
                kept.is_some_and(|(entry, _)| !entry.head.validators.is_empty())
            })
            .collect();
        let at = conditional.get(n.checked_rem(conditional.len())?)?;
        Some(self.pending.swap_remove(*at))
    }

    /// What is known after the origin has spoken; a 304 leaves what it does not
    /// speak of as it was.
    fn fact(&self, pending: &Pending, said: Said, before: Option<&Fact>) -> Fact {
        let now_ms = self.now_ms();
        let date_ms = match said.dated {
            Some(ago) => (now_ms - ago * 1000) / 1000 * 1000,
            None => now_ms,
        };
        let mut said = said;
        // Headers tell whole seconds.
        let second_ms = date_ms / 1000 * 1000;
        let mut expires_ms = said.expires.map(|after| second_ms + after * 1000);
        let mut modified_ms = said.modified.map(|ago| second_ms - ago * 1000);
        if let Some(before) = before {
            expires_ms = expires_ms.or(before.expires_ms);
            // What a 304 was asked about did not change.
            modified_ms = before.modified_ms;
            said.status = before.said.status;
            said.targeted = said.targeted.or_else(|| before.said.targeted.clone());
            said.tag = said.tag.or(before.said.tag);
            said.varies |= before.said.varies;
            said.cookie |= before.said.cookie;
            said.etag = before.said.etag;
        }
        let mut fact = Fact {
            url: pending.says.url,
            says: pending.says.clone(),
            said,
            date_ms,
            expires_ms,
            modified_ms,
            asked_ms: pending.asked.asked_ms,
            answered_ms: now_ms,
            asked_at: pending.asked_at,
            settling: false,
        };
        fact.settling = self.purges.iter().any(|purge| {
            purge.taken != Taken::All && fact.is_taken(purge.taken) && now_ms - purge.at_ms < 2000
        });
        fact
    }
}

/// The number of the answer or the 304 that something was kept for.
fn number(head: &Head) -> usize {
    let number = &head.answer.headers[NUMBER];
    number.to_str().unwrap().parse().unwrap()
}

/// The version of the page that a body is, if its file is still there.
fn version(entry: &Entry) -> Option<usize> {
    let bytes = entry.body.bytes().ok()?;
    let text = std::str::from_utf8(&bytes).unwrap();
    Some(text.trim().parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_forbidden_is_served_from_disk_either(
        steps in prop::collection::vec(step(), 1..60),
        disk_bytes in prop::sample::select(DISK_BYTES.to_vec()),
    ) {
        let mut world = World::new(Some(disk_bytes));
        for step in steps {
            world.step(step);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_is_served_that_the_standard_or_a_purge_forbids(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(None);
        for step in steps {
            world.step(step);
        }
    }
}
