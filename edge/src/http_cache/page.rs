//! All answers that are kept of one URL: one for each kind of request.

use std::{io, sync::Arc, time::Duration};

use http::HeaderMap;

use super::{
    entry::{Entry, Head},
    vary::Variant,
};
use crate::cache::folder::Folder;

/// Answers of one URL that are kept.
const MAX_VARIANTS: usize = 32;
/// How long an answer is kept that only the origin can say good of: it saves
/// sending the body again.
const VALIDATABLE: Duration = Duration::from_hours(24);
/// Bodies go to disk when they are so many times larger than what stays in
/// memory of them: a disk takes no more memory than that part of it.
const BODY_OVER_HEAD: usize = 16;

/// The answers of one URL, the one that was asked for last first.
#[derive(Debug, Clone, Default)]
pub struct Page(Vec<Entry>);

impl Page {
    /// The answer to a request: of several, the newest.
    pub fn find(&self, request: &HeaderMap) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.head.vary.matches(request))
    }

    /// All of its answers.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// What the newest answer varies with, in a request.
    pub fn variant(&self, request: &HeaderMap) -> Variant {
        self.0
            .first()
            .map(|entry| entry.head.vary.variant(request))
            .unwrap_or_default()
    }

    /// With one more answer, without those to the same request; and without the
    /// oldest as long as all do not fit. What was purged goes, too. `None` when
    /// an answer to the same request is there that was asked for later.
    pub fn with(
        &self,
        entry: Entry,
        request: &HeaderMap,
        is_valid: impl Fn(&Entry) -> bool,
        max_bytes: usize,
    ) -> Option<Self> {
        let mut entries: Vec<Entry> = self.0.iter().filter(|old| is_valid(old)).cloned().collect();
        let newer = entries.iter().any(|old| {
            old.head.vary.matches(request)
                && old.head.exchange.asked_ms > entry.head.exchange.asked_ms
        });
        if newer {
            return None;
        }
        entries.retain(|old| {
            let replaced = old.head.vary.matches(request);
            if replaced {
                entry.body.count_on(&old.body);
            }
            !replaced
        });
        let asked_ms = entry.head.exchange.asked_ms;
        let older = |old: &Entry| old.head.exchange.asked_ms <= asked_ms;
        entries.insert(
            entries.iter().position(older).unwrap_or(entries.len()),
            entry,
        );
        entries.truncate(MAX_VARIANTS);
        while entries.len() > 1 && entries.iter().map(Entry::size).sum::<usize>() > max_bytes {
            entries.pop();
        }
        Some(Self(entries))
    }

    /// Without the answers to this request; `None` when none is left.
    pub fn without(&self, request: &HeaderMap) -> Option<Self> {
        let mut entries = self.0.clone();
        entries.retain(|entry| !entry.head.vary.matches(request));
        (!entries.is_empty()).then_some(Self(entries))
    }

    /// Without an answer; `None` when none is left.
    pub fn without_head(&self, head: &Arc<Head>) -> Option<Self> {
        let mut entries = self.0.clone();
        entries.retain(|entry| !Arc::ptr_eq(&entry.head, head));
        (!entries.is_empty()).then_some(Self(entries))
    }

    /// Its bytes in memory, roughly.
    pub fn weight(&self) -> usize {
        self.0.iter().map(Entry::weight).sum()
    }

    /// Its bodies' bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.0.iter().map(|entry| entry.body.memory_bytes()).sum()
    }

    /// What its bodies take on disk, or would.
    pub fn disk_bytes(&self) -> usize {
        self.0.iter().map(|entry| entry.body.disk_bytes()).sum()
    }

    /// Whether its bodies are so large that it pays to have them on disk.
    pub fn is_worth_disk(&self) -> bool {
        let heads: usize = self.0.iter().map(|entry| entry.head.weight()).sum();
        let bodies: usize = self.0.iter().map(|entry| entry.body.length()).sum();
        bodies >= heads * BODY_OVER_HEAD
    }

    /// As it is with its bodies on disk alone, if all are there.
    pub fn stored(&self) -> Option<Self> {
        self.0.iter().map(stored).collect::<Option<_>>().map(Self)
    }

    /// Those of its answers whose bodies are on disk, without what of them is in
    /// memory; `None` when there are none.
    pub fn stored_part(&self) -> Option<Self> {
        let stored = self.0.iter().filter_map(stored);
        let stored: Vec<_> = stored.collect();
        (!stored.is_empty()).then_some(Self(stored))
    }

    /// Whether all its bodies are on disk alone.
    pub fn is_on_disk(&self) -> bool {
        self.0.iter().all(|entry| entry.body.is_on_disk())
    }

    /// Writes those of its bodies that are not on disk yet.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn store(&self, folder: &Folder) -> io::Result<()> {
        self.0.iter().try_for_each(|entry| entry.body.store(folder))
    }

    /// Drops its bodies' files.
    pub fn drop_files(&self) {
        for entry in &self.0 {
            entry.body.drop_file();
        }
    }

    /// With its bodies in memory.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn loaded(&self) -> io::Result<Self> {
        let loaded = |entry: &Entry| {
            Ok(Entry {
                head: Arc::clone(&entry.head),
                body: entry.body.loaded()?,
            })
        };
        let loaded = self.0.iter().map(loaded);
        loaded.collect::<io::Result<_>>().map(Self)
    }

    /// How long there is a use for it, from the time it was kept.
    pub fn end(&self) -> Duration {
        self.0.iter().map(end).max().unwrap_or_default()
    }
}

fn stored(entry: &Entry) -> Option<Entry> {
    Some(Entry {
        head: Arc::clone(&entry.head),
        body: entry.body.stored()?,
    })
}

fn end(entry: &Entry) -> Duration {
    let end = u64::try_from(entry.head.freshness.end_ms()).unwrap_or(0);
    let validatable = if entry.head.validators.is_empty() {
        Duration::ZERO
    } else {
        VALIDATABLE
    };
    Duration::from_millis(end) + validatable
}
