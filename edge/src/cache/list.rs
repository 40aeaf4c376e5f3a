//! What the cache holds, for people: it goes through all entries, so it is
//! nothing for the way of a request.

use std::{cmp::Reverse, sync::Arc};

use super::{
    Cache,
    entry::{Age, Entry},
    epochs::{self, Slot},
    key::Key,
};
use crate::http_cache::{self, url::Url};

/// A kept answer as people see it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What it answers.
    pub what: What,
    /// How often that was answered from the cache.
    pub hits: u64,
    /// What it takes, roughly.
    pub bytes: usize,
    /// How long it stays fresh; negative when it is not.
    pub ttl_seconds: i64,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum What {
    /// A question to a gRPC method.
    Call(Key),
    /// A request for a page; it may be kept several times, for different ones.
    Page {
        /// Its address.
        url: Url,
        /// What the origin said.
        status: u16,
        /// Whether its body lies on disk alone.
        on_disk: bool,
    },
}

impl Cache {
    /// What a purge of the tag would take, at most so many; and how many there
    /// are. Tags may share a slot: rarely it is more than what carries the tag.
    pub fn tagged(&self, tag: &str, most: usize) -> (Vec<Listed>, usize) {
        let slot = Some(epochs::slot(tag));
        let (mut listed, mut count) = (Vec::new(), 0);
        for one in self.calls(slot).chain(self.pages(slot)) {
            count += 1;
            if listed.len() < most {
                listed.push(one);
            }
        }
        (listed, count)
    }

    /// What was answered from the cache most, at most so many.
    pub fn top(&self, most: usize) -> Vec<Listed> {
        top(self.calls(None).chain(self.pages(None)), most)
    }

    /// The questions to gRPC methods that were, at most so many.
    pub fn top_calls(&self, most: usize) -> impl Iterator<Item = Key> {
        let calls = top(self.calls(None), most).into_iter();
        calls.filter_map(|listed| match listed.what {
            What::Call(key) => Some(key),
            What::Page { .. } => None,
        })
    }

    /// The answers of gRPC methods that may still be served, of a slot or all.
    fn calls(&self, slot: Option<Slot>) -> impl Iterator<Item = Listed> {
        let now = self.now_ms();
        let usable = move |entry: &Arc<Entry>| {
            slot.is_none_or(|slot| entry.slots.contains(&slot))
                && self.epochs.is_valid(entry.epoch, &entry.slots)
                && entry.age(now, self.softened_ms(entry)) != Age::Dead
        };
        self.store
            .answers()
            .filter(move |(_, entry)| usable(entry))
            .map(|(key, entry)| Listed {
                hits: entry.hits(),
                bytes: key.weight() + entry.weight(),
                ttl_seconds: self.ttl_seconds(&entry),
                what: What::Call(key),
            })
    }

    /// The pages that were not purged, of a slot or all.
    fn pages(&self, slot: Option<Slot>) -> impl Iterator<Item = Listed> {
        let now = self.now_ms();
        let usable = move |entry: &http_cache::entry::Entry| {
            slot.is_none_or(|slot| entry.head.slots.contains(&slot))
                && entry.head.is_valid(&self.epochs)
        };
        self.store.pages().flat_map(move |(url, page)| {
            let entries = page.entries().iter().filter(|entry| usable(entry));
            let listed = entries.map(|entry| Listed {
                hits: entry.body.hits(),
                bytes: url.weight() + entry.size(),
                ttl_seconds: entry.head.freshness(&self.epochs).left_seconds(now),
                what: What::Page {
                    url: url.clone(),
                    status: entry.head.status().as_u16(),
                    on_disk: entry.body.is_on_disk(),
                },
            });
            listed.collect::<Vec<_>>()
        })
    }
}

fn top(all: impl Iterator<Item = Listed>, most: usize) -> Vec<Listed> {
    let mut top = Vec::new();
    let cut = |top: &mut Vec<Listed>| {
        top.sort_unstable_by_key(|listed| Reverse(listed.hits));
        top.truncate(most);
    };
    for listed in all {
        top.push(listed);
        if top.len() >= 2 * most {
            cut(&mut top); // it never takes more memory than that
        }
    }
    cut(&mut top);
    top
}
