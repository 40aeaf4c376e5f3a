//! Pages on disk, so that memory may forget them: what it has no room for is
//! not fetched again. Their heads stay in memory, so that every rule and every
//! purge holds for them as for the others; only bodies lie in files.
//!
//! A page is written when it is kept, not when memory lets go of it: then
//! nobody has to know whether it has changed meanwhile. What lies here is
//! always the last state of a page, or nothing.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use moka::{
    Expiry, notification::RemovalCause, ops::compute::Op, policy::EvictionPolicy, sync::Cache,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    folder::Folder,
    room::{self, Room},
};
use crate::{
    http_cache::{page::Page, url::Url},
    metrics,
};

/// Pages that wait for the disk.
const MAX_JOBS: usize = 1024;
/// Pages of those that are to be read.
const MAX_LOADS: usize = 8;
/// This part of the disk is for files that are being removed, or are still
/// read.
const SPARE_PART: u64 = 16;
/// How often room is made for a page.
const MAX_TRIES: usize = 3;
/// How often a failing disk is told of; a metric counts.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Weights are counted in these, so that a large disk fits.
const UNIT_BYTES: u64 = 4096;

/// Pages by their URLs, as they are kept on disk.
pub type OnDisk = Cache<Url, Arc<Page>>;

/// The pages on disk.
#[derive(Debug)]
pub struct Spill {
    pages: OnDisk,
    jobs: SyncSender<Job>,
    /// Room for bodies that are not written yet.
    waiting: Arc<Semaphore>,
    /// Places for pages that are to be read.
    loads: Arc<Semaphore>,
}

/// Work for the thread that may wait for the disk.
#[derive(Debug)]
enum Job {
    Write {
        url: Url,
        page: Arc<Page>,
        _room: Room,
    },
    Load {
        url: Url,
        page: Arc<Page>,
        _place: OwnedSemaphorePermit,
    },
    #[cfg(test)]
    Tell(SyncSender<()>),
}

/// A page goes when there is no use for it any more.
struct EndOfLife;

impl Expiry<Url, Arc<Page>> for EndOfLife {
    fn expire_after_create(&self, _: &Url, page: &Arc<Page>, _: Instant) -> Option<Duration> {
        Some(page.end())
    }

    fn expire_after_update(
        &self,
        _: &Url,
        page: &Arc<Page>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(page.end())
    }
}

impl Spill {
    /// Keeps pages in a folder; `waiting_bytes` of bodies may wait for the
    /// disk. What is read often goes to `admit`, with the page that it was
    /// read for.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(
        folder: Folder,
        waiting_bytes: usize,
        admit: impl Fn(&OnDisk, &Url, &Arc<Page>, Page) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let pages: OnDisk = Cache::builder()
            .max_capacity((folder.max_bytes() - folder.max_bytes() / SPARE_PART) / UNIT_BYTES)
            .weigher(|_: &Url, page: &Arc<Page>| {
                u32::try_from(page.disk_bytes() as u64 / UNIT_BYTES).unwrap_or(u32::MAX)
            })
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .expire_after(EndOfLife)
            // Memory may still have the page: its file goes at once.
            .eviction_listener(|_, page: Arc<Page>, cause| {
                if cause != RemovalCause::Replaced {
                    page.drop_files();
                }
            })
            .build();
        let (jobs, todo) = sync_channel(MAX_JOBS);
        let worker = Worker {
            pages: pages.clone(),
            folder,
            admit,
            told: Cell::default(),
        };
        std::thread::Builder::new()
            .name("cache-disk".to_owned())
            .spawn(move || worker.work(&todo))
            .context("a thread for the disk")?;
        Ok(Self {
            pages,
            jobs,
            waiting: room::of(waiting_bytes),
            loads: Arc::new(Semaphore::new(MAX_LOADS)),
        })
    }

    /// The page of a URL.
    pub fn page(&self, url: &Url) -> Option<Arc<Page>> {
        self.pages.get(url)
    }

    /// All pages, in no order.
    pub fn pages(&self) -> impl Iterator<Item = (Url, Arc<Page>)> {
        let pages = self.pages.iter();
        pages.map(|(url, page)| ((*url).clone(), page))
    }

    /// Takes in what has become of a page; `None`: it is gone.
    pub fn changed(&self, url: &Url, page: Option<&Arc<Page>>) {
        let Some(page) = page else {
            return self.put(url, None);
        };
        let is_stored = page.stored().is_some();
        if !is_stored && page.is_worth_disk() {
            if self.will_write(url, page) {
                return;
            }
            metrics::cache_disk("dropped");
        }
        // What of it is on disk stays there.
        let stored = page.stored_part().map(Arc::new);
        self.put(url, stored.as_ref());
    }

    /// Has a page written, if there is room for it to wait; says whether there
    /// is.
    fn will_write(&self, url: &Url, page: &Arc<Page>) -> bool {
        let Some(room) = Room::begin(&self.waiting, page.memory_bytes()) else {
            return false;
        };
        self.put(url, Some(page));
        let job = Job::Write {
            url: url.clone(),
            page: Arc::clone(page),
            _room: room,
        };
        self.send(job).is_ok()
    }

    /// Has a page read into memory, soon.
    pub fn load(&self, url: &Url, page: Arc<Page>) {
        // When there is much to do it waits until it is read again.
        if let Ok(place) = Arc::clone(&self.loads).try_acquire_owned() {
            let _ = self.send(Job::Load {
                url: url.clone(),
                page,
                _place: place,
            });
        }
    }

    fn send(&self, job: Job) -> Result<(), TrySendError<Job>> {
        self.jobs.try_send(job)
    }

    fn put(&self, url: &Url, page: Option<&Arc<Page>>) {
        let op = page.map_or(Op::Remove, |page| Op::Put(Arc::clone(page)));
        self.pages.entry(url.clone()).and_compute_with(|_| op);
    }

    /// Drops all.
    pub fn clear(&self) {
        self.pages.invalidate_all();
    }

    /// Bytes and number of the pages, roughly.
    pub fn size(&self) -> (u64, u64) {
        let bytes = self.pages.weighted_size() * UNIT_BYTES;
        (bytes, self.pages.entry_count())
    }
}

/// Does what may wait for the disk.
struct Worker<A> {
    pages: OnDisk,
    folder: Folder,
    admit: A,
    /// When a failure was told of last.
    told: Cell<Option<Instant>>,
}

impl<A: Fn(&OnDisk, &Url, &Arc<Page>, Page)> Worker<A> {
    fn work(&self, todo: &Receiver<Job>) {
        for job in todo {
            match job {
                Job::Write { url, page, _room } => self.write(url, &page),
                Job::Load { url, page, .. } => match page.loaded() {
                    Ok(loaded) => (self.admit)(&self.pages, &url, &page, loaded),
                    Err(error) => self.failed("read", &error),
                },
                #[cfg(test)]
                Job::Tell(done) => {
                    self.pages.run_pending_tasks();
                    self.folder.catch_up();
                    done.send(()).unwrap_or_default();
                }
            }
        }
    }

    fn write(&self, url: Url, page: &Arc<Page>) {
        let is_last = |now: Option<&Arc<Page>>| now.is_some_and(|now| Arc::ptr_eq(now, page));
        let mut stored = Err(io::ErrorKind::StorageFull.into());
        for _ in 0..MAX_TRIES {
            // Others make room for it; or it was not taken in, or has changed.
            self.pages.run_pending_tasks();
            if !is_last(self.pages.get(&url).as_ref()) {
                return;
            }
            stored = page.store(&self.folder);
            if !matches!(&stored, Err(error) if error.kind() == io::ErrorKind::StorageFull) {
                break;
            }
            self.folder.catch_up();
        }
        match &stored {
            Ok(()) => metrics::cache_disk("written"),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                metrics::cache_disk("dropped");
            }
            Err(error) => self.failed("written", error),
        }
        let stored = stored.ok().and_then(|()| page.stored());
        let mut is_gone = false;
        self.pages.entry(url).and_compute_with(|now| {
            let now = now.as_ref().map(moka::Entry::value);
            is_gone = now.is_none();
            match (is_last(now), stored) {
                (false, _) => Op::Nop,
                (true, Some(stored)) => Op::Put(Arc::new(stored)),
                (true, None) => Op::Remove,
            }
        });
        // The next state of a page may share them.
        if is_gone {
            page.drop_files();
        }
    }

    fn failed(&self, what: &str, error: &io::Error) {
        metrics::cache_disk("failed");
        let now = Instant::now();
        if self
            .told
            .get()
            .is_none_or(|told| now.duration_since(told) >= TELL_EVERY)
        {
            self.told.set(Some(now));
            tracing::warn!(%error, "pages are not {what}");
        }
    }
}

#[cfg(test)]
impl Spill {
    /// Waits until all that was to be done is done.
    pub(super) fn settle(&self) {
        self.pause().recv().unwrap();
    }

    /// Has the disk do what was to be done, and no more before the answer is
    /// taken or dropped.
    pub(super) fn pause(&self) -> Receiver<()> {
        let (done, told) = sync_channel(0);
        self.jobs.send(Job::Tell(done)).unwrap();
        told
    }
}
