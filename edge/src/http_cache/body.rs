//! The body of a kept page: in memory, in a file, or in both.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::cache::folder::{Folder, Stored, occupied};

/// A body that is read so often from its file is one for memory.
const READS_FOR_MEMORY: u32 = 4;

/// A body. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Body {
    length: usize,
    bytes: Option<Bytes>,
    file: Arc<Filed>,
}

#[derive(Debug, Default)]
struct Filed {
    stored: OnceLock<Stored>,
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
            file: Arc::default(),
        }
    }
}

impl Body {
    /// Its bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Those that are in memory: all or none.
    pub fn in_memory(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }

    /// Its page was answered from the cache.
    pub fn hit(&self) {
        self.file.hits.fetch_add(1, Relaxed);
    }

    /// How often that was so.
    pub fn hits(&self) -> u64 {
        self.file.hits.load(Relaxed)
    }

    /// Goes on counting where its forerunner was.
    pub fn count_on(&self, earlier: &Self) {
        self.file.hits.fetch_max(earlier.hits(), Relaxed);
    }

    /// What it takes on disk, or would.
    pub fn on_disk(&self) -> usize {
        occupied(self.length)
    }

    /// As it is when its file alone is kept; the file is written if it is not
    /// there yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn stored(&self, folder: &Arc<Folder>) -> io::Result<Self> {
        if let Some(bytes) = &self.bytes
            && self.file.stored.get().is_none()
        {
            let stored = folder.store(bytes)?;
            // Had another been as fast, one of the two files would go at once.
            let _ = self.file.stored.set(stored);
        }
        Ok(Self {
            bytes: None,
            ..self.clone()
        })
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
            None => read(&self.file.open()?, 0..self.length),
        }
    }

    /// Makes sure that it is there before a part of it is promised.
    ///
    /// # Errors
    /// When the file is not as it was written, or the disk fails.
    pub async fn open(&self) -> io::Result<Opened> {
        if let Some(bytes) = &self.bytes {
            return Ok(Opened::Memory(bytes.clone()));
        }
        let file = Arc::clone(&self.file);
        let opened = spawn_blocking(move || file.open()).await??;
        let reads = self.file.reads.fetch_add(1, Relaxed) + 1;
        Ok(Opened::File {
            file: Arc::new(opened),
            length: self.length,
            is_frequent: reads.is_multiple_of(READS_FOR_MEMORY),
        })
    }
}

impl Filed {
    fn open(&self) -> io::Result<File> {
        self.stored.get().ok_or(io::ErrorKind::NotFound)?.open()
    }
}

/// A body that is there.
#[derive(Debug, Clone)]
pub enum Opened {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File {
        /// It stays readable when it is removed.
        file: Arc<File>,
        /// Its bytes.
        length: usize,
        /// Whether it is read so often that it should be in memory.
        is_frequent: bool,
    },
}

impl Opened {
    /// Its bytes.
    pub fn length(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File { length, .. } => *length,
        }
    }

    /// A part of it.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn read(&self, range: Range<usize>) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.slice(range)),
            Self::File { file, .. } => {
                let file = Arc::clone(file);
                spawn_blocking(move || read(&file, range)).await?
            }
        }
    }
}

fn read(file: &File, range: Range<usize>) -> io::Result<Bytes> {
    let mut bytes = vec![0; range.len()];
    file.read_exact_at(&mut bytes, range.start as u64)?;
    Ok(bytes.into())
}
