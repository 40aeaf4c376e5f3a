//! Where everything that is kept lies: in memory, bounded in bytes, and large
//! pages on disk too, where there is one. What is asked for often stays,
//! whatever passes through once (W-TinyLFU). Answers of gRPC methods and pages
//! of plain HTTP share the room.

#[cfg(test)]
use std::sync::mpsc::Receiver;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, ops::compute::Op, policy::EvictionPolicy, sync::Cache};

use super::{entry::Entry, folder::Folder, key::Key, spill::Spill};
use crate::http_cache::{page::Page, url::Url};

/// A single entry may take this part of the store.
const MAX_ENTRY_PART: usize = 16;
/// Bodies that wait for the disk may take this part.
const WAITING_PART: usize = 8;

/// All that is kept, by its question.
#[derive(Debug)]
pub struct Store {
    entries: Cache<Name, Kept>,
    max_bytes: u64,
    spill: Option<Spill>,
}

/// What something is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Call(Key),
    Page(Url),
}

impl Name {
    fn weight(&self) -> usize {
        match self {
            Self::Call(key) => key.weight(),
            Self::Page(url) => url.weight(),
        }
    }
}

/// What is kept.
#[derive(Debug, Clone)]
enum Kept {
    Answer(Arc<Entry>),
    Page(Arc<Page>),
}

impl Kept {
    fn weight(&self) -> usize {
        match self {
            Self::Answer(entry) => entry.weight(),
            Self::Page(page) => page.weight(),
        }
    }

    /// How long there is a use for it.
    fn end(&self) -> Duration {
        match self {
            Self::Answer(entry) => entry.lifetime().end(),
            Self::Page(page) => page.end(),
        }
    }
}

/// An entry goes when there is no use for it any more.
struct EndOfLife;

impl Expiry<Name, Kept> for EndOfLife {
    fn expire_after_create(&self, _: &Name, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.end())
    }

    fn expire_after_update(
        &self,
        _: &Name,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.end())
    }
}

impl Store {
    /// Room for so many bytes.
    pub fn new(max_bytes: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|name: &Name, kept: &Kept| {
                u32::try_from(name.weight() + kept.weight()).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .expire_after(EndOfLife)
            .build();
        Self {
            entries,
            max_bytes,
            spill: None,
        }
    }

    /// Room for so many bytes, and more on disk.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn with_folder(max_bytes: u64, folder: Folder) -> anyhow::Result<Self> {
        let mut store = Self::new(max_bytes);
        let entries = store.entries.clone();
        let waiting = store.max_bytes() / WAITING_PART;
        let spill = Spill::start(folder, waiting, move |on_disk, url, read, loaded| {
            entries
                .entry(Name::Page(url.clone()))
                .and_compute_with(|entry| {
                    let now = page_of(entry).or_else(|| on_disk.get(url));
                    // It may have changed meanwhile.
                    if now.is_some_and(|now| Arc::ptr_eq(&now, read)) {
                        Op::Put(Kept::Page(Arc::new(loaded)))
                    } else {
                        Op::Nop
                    }
                });
            // What has no place is let go of before the next is read.
            entries.run_pending_tasks();
        })?;
        store.spill = Some(spill);
        Ok(store)
    }

    /// The entry of a question.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        match self.entries.get(&Name::Call(key.clone()))? {
            Kept::Answer(entry) => Some(entry),
            Kept::Page(_) => None,
        }
    }

    /// Keeps an entry, unless it is too large. Says whether it was taken in;
    /// it may have to go again at once.
    pub fn put(&self, key: Key, entry: Arc<Entry>) -> bool {
        let (name, kept) = (Name::Call(key), Kept::Answer(entry));
        let fits = self.fits(name.weight() + kept.weight());
        if fits {
            self.entries.insert(name, kept);
        }
        fits
    }

    /// Drops the entry of a question.
    pub fn remove(&self, key: &Key) {
        self.entries.invalidate(&Name::Call(key.clone()));
    }

    /// The page of a URL.
    pub fn page(&self, url: &Url) -> Option<Arc<Page>> {
        match self.entries.get(&Name::Page(url.clone())) {
            Some(Kept::Page(page)) => Some(page),
            Some(Kept::Answer(_)) => None,
            None => self.spill.as_ref()?.page(url),
        }
    }

    /// Has a page read into memory, soon.
    pub fn load_page(&self, url: &Url) {
        if let Some(spill) = &self.spill
            && let Some(page) = self.page(url)
        {
            spill.load(url, page);
        }
    }

    /// Changes the page of a URL, one change at a time; `None` drops it. It
    /// must fit.
    pub fn change_page(&self, url: &Url, change: impl FnOnce(Option<&Page>) -> Option<Page>) {
        self.entries
            .entry(Name::Page(url.clone()))
            .and_compute_with(|entry| {
                let now = page_of(entry).or_else(|| self.spill.as_ref()?.page(url));
                let changed = change(now.as_deref()).map(Arc::new);
                if let Some(spill) = &self.spill {
                    spill.changed(url, changed.as_ref());
                }
                match changed {
                    // It lies on disk, if anywhere: memory would keep no more
                    // than its head.
                    Some(page) if page.is_on_disk() => Op::Remove,
                    Some(page) => Op::Put(Kept::Page(page)),
                    None => Op::Remove,
                }
            });
    }

    /// What a single entry may take.
    pub fn max_entry_bytes(&self) -> usize {
        self.max_bytes() / MAX_ENTRY_PART
    }

    /// What all entries may take.
    pub fn max_bytes(&self) -> usize {
        usize::try_from(self.max_bytes).unwrap_or(usize::MAX)
    }

    fn fits(&self, weight: usize) -> bool {
        weight <= self.max_entry_bytes()
    }

    /// Drops all.
    pub fn clear(&self) {
        self.entries.invalidate_all();
        if let Some(spill) = &self.spill {
            spill.clear();
        }
    }

    /// All answers of gRPC methods, in no order.
    pub fn answers(&self) -> impl Iterator<Item = (Key, Arc<Entry>)> {
        self.entries
            .iter()
            .filter_map(|(name, kept)| match (&*name, kept) {
                (Name::Call(key), Kept::Answer(entry)) => Some((key.clone(), entry)),
                _ => None,
            })
    }

    /// All pages, in no order.
    pub fn pages(&self) -> impl Iterator<Item = (Url, Arc<Page>)> {
        let in_memory = self
            .entries
            .iter()
            .filter_map(|(name, kept)| match (&*name, kept) {
                (Name::Page(url), Kept::Page(page)) => Some((url.clone(), page)),
                _ => None,
            });
        let on_disk = self.spill.iter().flat_map(Spill::pages);
        in_memory
            .chain(on_disk.filter(|(url, _)| !self.entries.contains_key(&Name::Page(url.clone()))))
    }

    /// Bytes and number of the entries in memory, roughly.
    pub fn size(&self) -> (u64, u64) {
        (self.entries.weighted_size(), self.entries.entry_count())
    }

    /// Bytes and number of the pages on disk, roughly.
    pub fn disk_size(&self) -> Option<(u64, u64)> {
        self.spill.as_ref().map(Spill::size)
    }
}

fn page_of(entry: Option<moka::Entry<Name, Kept>>) -> Option<Arc<Page>> {
    match entry?.into_value() {
        Kept::Page(page) => Some(page),
        Kept::Answer(_) => None,
    }
}

#[cfg(test)]
impl Store {
    /// Does the upkeep that is due.
    pub fn settle(&self) {
        if let Some(spill) = &self.spill {
            spill.settle();
        }
        self.entries.run_pending_tasks();
    }

    /// Has the disk do no more before the answer is taken or dropped.
    pub fn pause_disk(&self) -> Option<Receiver<()>> {
        self.spill.as_ref().map(Spill::pause)
    }

    /// Drops all that is in memory.
    pub fn forget_memory(&self) {
        self.entries.invalidate_all();
    }
}
