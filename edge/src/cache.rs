//! Answers of PUBLIC reads, kept at the edge. A question is a method and its
//! message in canonical form; an answer is kept once for all protocols.
//!
//! It must never keep an error, nor anything that was fetched with somebody's
//! token, nor an answer that was fetched before a purge of one of its tags.

pub mod entry;
pub mod epochs;
pub mod flight;
pub mod key;
pub mod list;
pub mod plan;
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
    key::Key,
    store::Store,
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
    flights: Flights,
    clock: Clock,
    deaf: AtomicBool,
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
    /// An empty cache of so many bytes.
    pub fn new(max_bytes: u64, clock: Clock) -> Self {
        Self {
            store: Store::new(max_bytes),
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
        let too_old_to_trust = self.deaf.load(Ordering::Relaxed)
            && now.saturating_sub(entry.stored_ms) > millis(DEAF_TTL);
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
    pub fn board(&self, key: &Key, slots: &[Slot]) -> Seat {
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
        let settling = self
            .epochs
            .last_purge_ms(slots)
            .is_some_and(|purged| now.saturating_sub(purged) < millis(SETTLING));
        let lifetime = if settling {
            lifetime.at_most(SETTLING_TTL)
        } else {
            lifetime
        };
        let mut entry = Entry::new(message, lifetime, now, epoch, slots);
        if let Some(earlier) = self.store.get(&key) {
            entry = entry.after(&earlier);
        }
        let entry = Arc::new(entry);
        let kept = self.epochs.is_current(epoch, slots) && self.store.put(key, Arc::clone(&entry));
        (entry, kept)
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

    /// Bytes and number of the entries, roughly.
    pub fn size(&self) -> (u64, u64) {
        self.store.size()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
