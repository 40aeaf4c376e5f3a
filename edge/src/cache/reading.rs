//! Bounds those who read from disk, so that a disk that hangs takes no more
//! than its part of the process, and slow callers neither.

use std::{io, sync::Arc, time::Duration};

use rustix::io::Errno;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

/// Threads that wait for the disk at once.
const MAX_WAITING: usize = 64;
/// Files that are being read at once. Each has a file of the process, and one
/// part of its body in memory.
const MAX_READERS: usize = 2048;
/// What a file cannot give in this time has to come from elsewhere.
const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// The bounds of one folder.
#[derive(Debug)]
pub struct Reading {
    waiting: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
        }
    }
}

impl Reading {
    /// A place among those who read.
    ///
    /// # Errors
    /// When there is none.
    pub fn begin(&self) -> io::Result<OwnedSemaphorePermit> {
        let readers = Arc::clone(&self.readers);
        let place = readers.try_acquire_owned();
        place.map_err(|_| io::ErrorKind::WouldBlock.into())
    }

    /// Has a thread wait for the disk.
    ///
    /// # Errors
    /// When it takes too long, or fails.
    pub async fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let waiting = Arc::clone(&self.waiting);
        let done = async move {
            let place = waiting.acquire_owned().await.map_err(io::Error::other)?;
            // What hangs keeps its place.
            let work = move || {
                let done = work();
                drop(place);
                done
            };
            spawn_blocking(work).await?
        };
        timeout(DISK_TIMEOUT, done).await?
    }
}

/// Whether a failure says nothing of the file itself.
pub fn is_busy(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    ) || Errno::from_io_error(error)
        .is_some_and(|error| matches!(error, Errno::NFILE | Errno::MFILE))
}
