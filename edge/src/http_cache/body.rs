//! The body of a kept page: in memory, in a file, or in both.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::cache::folder::{Folder, Stored, occupied};

/// A body that is read so often from its file is one for memory.
const READS_FOR_MEMORY: u32 = 4;
/// What one reader of a file has in memory of it.
const PART_BYTES: usize = 32 * 1024;

/// A body. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Body {
    length: usize,
    bytes: Option<Bytes>,
    shared: Arc<Shared>,
}

/// What all clones know.
#[derive(Debug, Default)]
struct Shared {
    stored: Mutex<Option<Arc<Stored>>>,
    /// From the file.
    reads: AtomicU32,
    /// How often its page was answered from the cache.
    hits: AtomicU64,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            length: bytes.len(),
            bytes: Some(bytes),
            shared: Arc::default(),
        }
    }
}

impl Body {
    /// Its bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Those that are in memory: all or none.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }

    /// Whether it lies on disk alone, or nowhere any more.
    pub fn is_on_disk(&self) -> bool {
        self.bytes.is_none()
    }

    /// Whether it is there at all.
    pub fn is_there(&self) -> bool {
        self.bytes.is_some() || self.shared.lock().is_some()
    }

    /// Its page was answered from the cache.
    pub fn hit(&self) {
        self.shared.hits.fetch_add(1, Relaxed);
    }

    /// How often that was so.
    pub fn hits(&self) -> u64 {
        self.shared.hits.load(Relaxed)
    }

    /// Goes on counting where its forerunner was.
    pub fn count_on(&self, earlier: &Self) {
        self.shared.hits.fetch_max(earlier.hits(), Relaxed);
    }

    /// What it takes on disk, or would.
    pub fn disk_bytes(&self) -> usize {
        occupied(self.length)
    }

    /// As it is when its file alone is kept, if there is one.
    pub fn stored(&self) -> Option<Self> {
        self.shared.lock().is_some().then(|| Self {
            bytes: None,
            ..self.clone()
        })
    }

    /// Writes its file, if it is not there yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store(&self, folder: &Folder) -> io::Result<()> {
        if self.shared.lock().is_none() {
            let bytes = self.bytes.as_ref().ok_or(io::ErrorKind::NotFound)?;
            let stored = folder.store(bytes)?;
            *self.shared.lock() = Some(Arc::new(stored));
        }
        Ok(())
    }

    /// Drops its file, as soon as nobody reads it.
    pub fn drop_file(&self) {
        self.shared.lock().take();
    }

    /// With its bytes in memory.
    ///
    /// # Errors
    /// When the file is not as it was written, or the disk fails.
    pub fn loaded(&self) -> io::Result<Self> {
        Ok(Self {
            bytes: Some(self.bytes()?),
            ..self.clone()
        })
    }

    /// All of it. It may wait for the disk.
    ///
    /// # Errors
    /// When the file is not as it was written, or the disk fails.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match &self.bytes {
            Some(bytes) => Ok(bytes.clone()),
            None => read(&self.shared.stored()?.open()?, 0..self.length),
        }
    }

    /// Makes sure that it is there before a part of it is promised.
    ///
    /// # Errors
    /// When the file is not as it was written, or the disk fails or is busy.
    pub async fn open(&self) -> io::Result<Opened> {
        if let Some(bytes) = &self.bytes {
            return Ok(Opened::Memory(bytes.clone()));
        }
        let stored = self.shared.stored()?;
        let place = stored.reading().begin()?;
        let opening = Arc::clone(&stored);
        let file = stored.reading().wait(move || opening.open()).await?;
        Ok(Opened::File(Box::new(OpenFile {
            file: Arc::new(file),
            stored,
            _place: place,
        })))
    }

    /// It was read from its file; says whether it should come into memory. If
    /// that does not take it in, it is asked less and less.
    pub fn is_for_memory(&self) -> bool {
        let reads = self.shared.reads.fetch_add(1, Relaxed).saturating_add(1);
        reads >= READS_FOR_MEMORY && reads.is_power_of_two()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Stored>>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> io::Result<Arc<Stored>> {
        let stored = self.lock().clone();
        stored.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A body that is there.
#[derive(Debug)]
pub enum Opened {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(Box<OpenFile>),
}

/// A file that is being read.
#[derive(Debug)]
pub struct OpenFile {
    file: Arc<File>,
    /// It counts as room for as long as it is read.
    stored: Arc<Stored>,
    _place: OwnedSemaphorePermit,
}

impl Opened {
    /// A part of it.
    ///
    /// # Errors
    /// When the disk fails or is busy.
    pub async fn read(&self, range: Range<usize>) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.slice(range)),
            Self::File(open) => {
                let file = Arc::clone(&open.file);
                open.stored.reading().wait(move || read(&file, range)).await
            }
        }
    }

    /// What is read of it at once: from memory, all.
    pub fn part_bytes(&self) -> usize {
        match self {
            Self::Memory(_) => usize::MAX,
            Self::File(_) => PART_BYTES,
        }
    }
}

fn read(file: &File, range: Range<usize>) -> io::Result<Bytes> {
    let mut bytes = vec![0; range.len()];
    file.read_exact_at(&mut bytes, range.start as u64)?;
    Ok(bytes.into())
}
