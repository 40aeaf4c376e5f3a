//! Where entries lie: in memory, bounded in bytes. What is asked for often
//! stays, whatever passes through once (W-TinyLFU).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, policy::EvictionPolicy, sync::Cache};

use super::{entry::Entry, key::Key};

/// A single entry may take this part of the store.
const MAX_ENTRY_PART: u64 = 16;

/// Entries by their questions.
#[derive(Debug)]
pub struct Store {
    entries: Cache<Key, Arc<Entry>>,
    max_entry_bytes: u64,
}

/// An entry goes when there is no use for it any more.
struct EndOfLife;

impl Expiry<Key, Arc<Entry>> for EndOfLife {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.lifetime().end())
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.lifetime().end())
    }
}

impl Store {
    /// Room for so many bytes.
    pub fn new(max_bytes: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Key, entry: &Arc<Entry>| {
                u32::try_from(key.weight() + entry.weight()).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .expire_after(EndOfLife)
            .build();
        Self {
            entries,
            max_entry_bytes: max_bytes / MAX_ENTRY_PART,
        }
    }

    /// The entry of a question.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    /// Keeps an entry, unless it is too large. Says whether it was taken in;
    /// it may have to go again at once.
    pub fn put(&self, key: Key, entry: Arc<Entry>) -> bool {
        let weight = (key.weight() + entry.weight()) as u64;
        let fits = weight <= self.max_entry_bytes;
        if fits {
            self.entries.insert(key, entry);
        }
        fits
    }

    /// Drops the entry of a question.
    pub fn remove(&self, key: &Key) {
        self.entries.invalidate(key);
    }

    /// Drops all.
    pub fn clear(&self) {
        self.entries.invalidate_all();
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Arc<Key>, Arc<Entry>)> {
        self.entries.iter()
    }

    /// Bytes and number of the entries, roughly.
    pub fn size(&self) -> (u64, u64) {
        (self.entries.weighted_size(), self.entries.entry_count())
    }
}

#[cfg(test)]
impl Store {
    /// Does the upkeep that is due.
    pub fn settle(&self) {
        self.entries.run_pending_tasks();
    }
}
