//! Answers of PUBLIC reads, kept at the edge. A question is a method and its
//! message in canonical form; an answer is kept once for all protocols. Pages
//! of plain HTTP lie in the same store, under the same purges; what may be done
//! with those says [`crate::http_cache`].
//!
//! It must never keep an error, nor anything that was fetched with somebody's
//! token, nor an answer that was fetched before a purge of one of its tags.

pub mod entry;
pub mod epochs;
pub mod flight;
pub mod folder;
pub mod key;
pub mod list;
pub mod plan;
pub mod reading;
pub mod room;
pub mod spill;
pub mod store;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use svc_kit::clock::Clock;

use self::{
    entry::{Age, Entry, Lifetime},
    epochs::{Epoch, Epochs, Slot},
    flight::{Flights, Seat},
    folder::Folder,
    key::Key,
    store::Store,
};
use crate::{
    http_cache::{page::Page, url::Url},
    origin::Reply,
    refusal::Refusal,
};

/// After a purge the service's own caches may still hold what was purged, for
/// a moment. What is fetched within this time of a purge of one of its tags...
const SETTLING: Duration = Duration::from_secs(2);
/// ...is kept only so long.
const SETTLING_TTL: Duration = Duration::from_millis(500);
/// While purges cannot be heard, nothing older than this counts as fresh.
const DEAF_TTL: Duration = Duration::from_secs(5);

/// The tag of what lies at one address, by its host (with the port, where it
/// is not the usual one) and its path with the query.
pub fn url_tag(host: &str, path_and_query: &str) -> String {
    let mut host = host.to_ascii_lowercase();
    for usual in [":443", ":80"] {
        if host.ends_with(usual) {
            host.truncate(host.len() - usual.len());
            break;
        }
    }
    format!("url:{host}{path_and_query}")
}

/// The cache of one edge.
#[derive(Debug)]
pub struct Cache {
    store: Store,
    epochs: Epochs,
    flights: Flights<Key, Outcome>,
    clock: Clock,
    deaf: AtomicBool,
}

/// What a fetch brought.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// An answer; whether it was kept.
    Answer(Arc<Entry>, bool),
    /// The service's own error.
    Error(Reply),
    /// No answer.
    Failed(Refusal),
}

/// What the cache has for a question.
#[derive(Debug)]
pub enum Found {
    /// Serve it.
    Fresh(Arc<Entry>),
    /// Serve it, and fetch a fresh one behind the caller's back.
    Stale(Arc<Entry>),
    /// Fetch; serve this when the service fails.
    Spare(Arc<Entry>),
    /// Fetch.
    Nothing,
}

impl Cache {
    /// An empty cache of so many bytes in memory.
    pub fn new(max_bytes: u64, clock: Clock) -> Self {
        Self::of(Store::new(max_bytes), clock)
    }

    /// An empty cache of so many bytes in memory, and those of a folder.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn with_folder(max_bytes: u64, folder: Folder, clock: Clock) -> anyhow::Result<Self> {
        Ok(Self::of(Store::with_folder(max_bytes, folder)?, clock))
    }

    fn of(store: Store, clock: Clock) -> Self {
        Self {
            store,
            epochs: Epochs::new(),
            flights: Flights::default(),
            clock,
            deaf: AtomicBool::new(false),
        }
    }

    /// Looks a question up.
    pub fn find(&self, key: &Key) -> Found {
        let Some(entry) = self.store.get(key) else {
            return Found::Nothing;
        };
        if !self.epochs.is_valid(entry.epoch, &entry.slots) {
            self.store.remove(key);
            return Found::Nothing;
        }
        let now = self.now_ms();
        let too_old_to_trust = !self.is_trusted(entry.stored_ms, now);
        match entry.age(now, self.softened_ms(&entry)) {
            Age::Fresh | Age::Stale if too_old_to_trust => Found::Spare(entry),
            Age::Fresh => {
                entry.hit();
                Found::Fresh(entry)
            }
            Age::Stale => {
                entry.hit();
                Found::Stale(entry)
            }
            Age::Spare => Found::Spare(entry),
            Age::Dead => {
                self.store.remove(key);
                Found::Nothing
            }
        }
    }

    /// Whether a fresh answer is kept. It does not count as a hit.
    pub fn has_fresh(&self, key: &Key) -> bool {
        self.store.get(key).is_some_and(|entry| {
            self.epochs.is_valid(entry.epoch, &entry.slots)
                && entry.age(self.now_ms(), self.softened_ms(&entry)) == Age::Fresh
        })
    }

    /// Joins the fetch that is under way for a question, or begins one.
    pub fn board(&self, key: &Key, slots: &[Slot]) -> Seat<Key, Outcome> {
        self.flights.board(key, slots, &self.epochs)
    }

    /// Keeps an answer that was asked for at `epoch`, unless one of its tags
    /// was purged since. Says whether it was kept.
    pub fn keep(
        &self,
        key: Key,
        message: &[u8],
        lifetime: Lifetime,
        epoch: Epoch,
        slots: &[Slot],
    ) -> (Arc<Entry>, bool) {
        let now = self.now_ms();
        let lifetime = match self.longest_ttl(slots, now) {
            Some(limit) => lifetime.at_most(limit),
            None => lifetime,
        };
        let mut entry = Entry::new(message, lifetime, now, epoch, slots);
        if let Some(earlier) = self.store.get(&key) {
            entry = entry.after(&earlier);
        }
        let entry = Arc::new(entry);
        let kept = self.epochs.is_current(epoch, slots) && self.store.put(key, Arc::clone(&entry));
        (entry, kept)
    }

    /// The page of a URL.
    pub fn page(&self, url: &Url) -> Option<Arc<Page>> {
        self.store.page(url)
    }

    /// Changes the page of a URL, one change at a time; `None` drops it.
    pub fn change_page(&self, url: &Url, change: impl FnOnce(Option<&Page>) -> Option<Page>) {
        self.store.change_page(url, change);
    }

    /// Has a page read into memory, soon, that lies on disk.
    pub fn load_page(&self, url: &Url) {
        self.store.load_page(url);
    }

    /// What a single entry may take of the store.
    pub fn max_entry_bytes(&self) -> usize {
        self.store.max_entry_bytes()
    }

    /// What the store may hold.
    pub fn max_bytes(&self) -> usize {
        self.store.max_bytes()
    }

    /// The order of purges.
    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Whether what was stored then may count as fresh: while purges cannot be
    /// heard, only what is seconds old does.
    pub fn is_trusted(&self, stored_ms: i64, now_ms: i64) -> bool {
        !self.deaf.load(Ordering::Relaxed) || now_ms.saturating_sub(stored_ms) <= millis(DEAF_TTL)
    }

    /// How long something with these tags may be kept at most, when one of
    /// them was purged a moment ago.
    pub fn longest_ttl(&self, slots: &[Slot], now_ms: i64) -> Option<Duration> {
        self.epochs
            .last_purge_ms(slots)
            .is_some_and(|purged| now_ms.saturating_sub(purged) < millis(SETTLING))
            .then_some(SETTLING_TTL)
    }

    /// From now on nothing that was fetched before, and carries the tag, is
    /// served. Costs the same however much is kept.
    pub fn purge(&self, tag: &str) {
        self.epochs.purge(epochs::slot(tag), self.now_ms());
    }

    /// From now on nothing that was fetched before, and carries the tag, is
    /// fresh. It may be served stale, as its lifetime says.
    pub fn purge_soft(&self, tag: &str) {
        self.epochs.purge_soft(epochs::slot(tag), self.now_ms());
    }

    /// From now on nothing that was fetched before is served.
    pub fn purge_all(&self) {
        self.epochs.purge_all();
        self.store.clear();
    }

    /// Says whether purges can be heard at the moment.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
    }

    /// Whether purges cannot be heard at the moment.
    pub fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// How many seconds an entry stays fresh; negative when it is not.
    pub fn ttl_seconds(&self, entry: &Entry) -> i64 {
        let left_ms = entry.fresh_until_ms(self.softened_ms(entry)) - self.now_ms();
        // At its very end it is fresh no more.
        left_ms.div_euclid(1000) - i64::from(left_ms == 0)
    }

    fn softened_ms(&self, entry: &Entry) -> Option<i64> {
        self.epochs.softened_ms(entry.epoch, &entry.slots)
    }

    /// Bytes and number of the entries in memory, roughly.
    pub fn size(&self) -> (u64, u64) {
        self.store.size()
    }

    /// Bytes and number of the pages on disk, roughly.
    pub fn disk_size(&self) -> Option<(u64, u64)> {
        self.store.disk_size()
    }

    /// The time of the cache's clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

#[cfg(test)]
impl Cache {
    /// Does what is to be done at the disk.
    pub fn settle(&self) {
        self.store.settle();
    }

    /// Has the disk do no more before the answer is taken or dropped.
    pub fn pause_disk(&self) -> Option<std::sync::mpsc::Receiver<()>> {
        self.store.pause_disk()
    }

    /// Has memory let go of all.
    pub fn forget_memory(&self) {
        self.store.forget_memory();
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
