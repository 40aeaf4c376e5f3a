//! What the cache holds, for people: it goes through all entries, so it is
//! nothing for the way of a request.

use std::{cmp::Reverse, sync::Arc};

use super::{
    Cache,
    entry::{Age, Entry},
    epochs,
    key::Key,
};

/// A kept answer as people see it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its question.
    pub key: Key,
    /// How often that was answered from the cache.
    pub hits: u64,
    /// What it takes in memory, roughly.
    pub bytes: usize,
    /// How long it stays fresh; negative when it is not.
    pub ttl_seconds: i64,
}

impl Cache {
    /// What a purge of the tag would take, at most so many; and how many there
    /// are. Tags may share a slot: rarely it is more than what carries the tag.
    pub fn tagged(&self, tag: &str, most: usize) -> (Vec<Listed>, usize) {
        let slot = epochs::slot(tag);
        let (mut listed, mut count) = (Vec::new(), 0);
        for (key, entry) in self.usable().filter(|(_, e)| e.slots.contains(&slot)) {
            count += 1;
            if listed.len() < most {
                listed.push(self.listed(key, &entry));
            }
        }
        (listed, count)
    }

    /// The questions that were answered from the cache most, at most so many.
    pub fn top(&self, most: usize) -> Vec<Listed> {
        let mut all: Vec<_> = self
            .usable()
            .map(|(key, entry)| (entry.hits(), key, entry))
            .collect();
        all.sort_unstable_by_key(|(hits, ..)| Reverse(*hits));
        all.truncate(most);
        all.into_iter()
            .map(|(_, key, entry)| self.listed(key, &entry))
            .collect()
    }

    /// The entries that may still be served.
    fn usable(&self) -> impl Iterator<Item = (Key, Arc<Entry>)> {
        let now = self.now_ms();
        self.store.answers().filter(move |(_, entry)| {
            self.epochs.is_valid(entry.epoch, &entry.slots)
                && entry.age(now, self.softened_ms(entry)) != Age::Dead
        })
    }

    fn listed(&self, key: Key, entry: &Entry) -> Listed {
        Listed {
            hits: entry.hits(),
            bytes: key.weight() + entry.weight(),
            ttl_seconds: self.ttl_seconds(entry),
            key,
        }
    }
}
