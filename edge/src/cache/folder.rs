//! A folder that is this process's own, in one that several may share: a new
//! edge starts while the old one still serves. Whatever is left in there by one
//! that has died is removed by the next that starts.
//!
//! Files are removed by a thread of their own: who drops one does not wait for
//! the disk.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    reading::Reading,
    room::{self, Room},
};

/// How such folders' names begin; a number follows.
const PREFIX: &str = "souk-cache-";
/// Held by the process whose folder it lies in.
const LOCK: &str = "lock";
/// Held by whoever makes or removes such a folder.
const TURN: &str = "souk-cache-lock";
/// How long the removal of what is gone is waited for.
const CATCH_UP: Duration = Duration::from_secs(2);
/// A file takes whole blocks.
const BLOCK_BYTES: usize = 4096;

/// A folder of files; all of them together take no more than its room.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    next: AtomicU64,
    room: Arc<Semaphore>,
    max_bytes: u64,
    reading: Arc<Reading>,
    gone: Sender<Gone>,
}

/// For the thread that removes.
#[derive(Debug)]
enum Gone {
    File { path: PathBuf, _room: Room },
    Tell(SyncSender<()>),
}

/// A folder and the lock that says whose it is.
#[derive(Debug)]
struct Locked {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// An empty folder in `parent`, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(parent: &Path, max_bytes: u64) -> io::Result<Self> {
        private().recursive(true).create(parent)?;
        let turn = turn(parent)?;
        let left = left(parent)?;
        // Of a number that nobody has had: one that is being removed may still
        // be looked at by others.
        let number = u64::from_be_bytes(svc_kit::random::bytes());
        let path = parent.join(format!("{PREFIX}{number}"));
        private().create(&path)?;
        let lock = open(&path.join(LOCK))?;
        lock.lock()?;
        drop(turn);
        let (gone, heard) = channel();
        let own = Locked {
            path: path.clone(),
            _lock: lock,
        };
        let parent = parent.to_owned();
        std::thread::Builder::new()
            .name("cache-remove".to_owned())
            .spawn(move || remove(&parent, left, &own, &heard))?;
        Ok(Self {
            path,
            next: AtomicU64::new(0),
            room: room::of(usize::try_from(max_bytes).unwrap_or(usize::MAX)),
            max_bytes,
            reading: Arc::default(),
            gone,
        })
    }

    /// What its files may take.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When there is no room, or the disk fails.
    pub fn store(&self, bytes: &[u8]) -> io::Result<Stored> {
        let room = Room::begin(&self.room, occupied(bytes.len())).ok_or(ErrorKind::StorageFull)?;
        let number = self.next.fetch_add(1, Relaxed);
        // From here on it is removed, however far it got.
        let stored = Stored {
            path: self.path.join(number.to_string()),
            length: bytes.len(),
            room: Some(room),
            reading: Arc::clone(&self.reading),
            gone: self.gone.clone(),
        };
        create_new(&stored.path)?.write_all(bytes)?;
        Ok(stored)
    }

    /// Waits until what is gone is removed, for a moment.
    pub fn catch_up(&self) {
        let (done, told) = sync_channel(1);
        if self.gone.send(Gone::Tell(done)).is_ok() {
            let _ = told.recv_timeout(CATCH_UP);
        }
    }
}

/// A file in the folder; removed when dropped.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    length: usize,
    room: Option<Room>,
    reading: Arc<Reading>,
    gone: Sender<Gone>,
}

impl Stored {
    /// Opens it, if it is as it was written.
    ///
    /// # Errors
    /// When it is not, or the disk fails.
    pub fn open(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        if file.metadata()?.len() != self.length as u64 {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(file)
    }

    /// What bounds those who read.
    pub fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            let path = std::mem::take(&mut self.path);
            // When nobody hears it, the folder is being removed as a whole.
            let _ = self.gone.send(Gone::File { path, _room: room });
        }
    }
}

/// What a file of so many bytes takes on disk.
pub fn occupied(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// Removes what others have left, then what is gone of ours, and at last the
/// folder, when nobody can write to it any more.
fn remove(parent: &Path, left: Vec<Locked>, own: &Locked, gone: &Receiver<Gone>) {
    let told = |path: &Path, removed: io::Result<()>| match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            let path = path.display();
            tracing::warn!(%error, %path, "left behind on disk");
        }
        _ => {}
    };
    for locked in left {
        told(&locked.path, fs::remove_dir_all(&locked.path));
    }
    for one in gone {
        match one {
            Gone::File { path, .. } => told(&path, fs::remove_file(&path)),
            Gone::Tell(done) => done.send(()).unwrap_or_default(),
        }
    }
    let removed = turn(parent).and_then(|_turn| fs::remove_dir_all(&own.path));
    told(&own.path, removed);
}

/// Waits until nobody else makes or removes a folder.
fn turn(parent: &Path) -> io::Result<File> {
    let turn = open(&parent.join(TURN))?;
    turn.lock()?;
    Ok(turn)
}

/// The folders of those who have died.
fn left(parent: &Path) -> io::Result<Vec<Locked>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_ours = number.is_some_and(|number| number.parse::<u64>().is_ok());
        if !(is_ours && entry.file_type()?.is_dir()) {
            continue;
        }
        let path = entry.path();
        match open(&path.join(LOCK)) {
            Ok(lock) if lock.try_lock().is_ok() => left.push(Locked { path, _lock: lock }),
            Ok(_) => {} // its owner lives
            Err(error) => {
                let path = path.display();
                tracing::warn!(%error, %path, "left behind on disk by another");
            }
        }
    }
    Ok(left)
}

fn private() -> DirBuilder {
    let mut private = DirBuilder::new();
    private.mode(0o700);
    private
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != TURN)
            .collect()
    }

    #[test]
    fn a_file_is_there_until_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path(), 1 << 20).unwrap();
        let stored = folder.store(b"body").unwrap();
        let mut text = String::new();
        let mut file = stored.open().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "body");
        let path = stored.path.clone();
        drop(stored);
        folder.catch_up();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_is_not_opened() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path(), 1 << 20).unwrap();
        let stored = folder.store(b"body").unwrap();
        fs::write(&stored.path, "bod").unwrap();
        assert!(stored.open().is_err());
        fs::remove_file(&stored.path).unwrap();
        assert!(stored.open().is_err());
    }

    #[test]
    fn all_files_have_no_more_than_the_room() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path(), 3 * 4096).unwrap();
        let large = folder.store(&[0; 4097]).unwrap();
        let small = folder.store(&[0; 1]).unwrap();
        let full = folder.store(&[0; 1]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        drop(small);
        folder.catch_up();
        folder.store(&[0; 4096]).unwrap();
        drop(large);
    }

    #[test]
    fn what_the_dead_have_left_goes_and_what_the_living_have_stays() {
        let parent = tempfile::tempdir().unwrap();
        let _living = Folder::create(parent.path(), 1 << 20).unwrap();
        for name in ["souk-cache-7", "souk-cache-copy"] {
            fs::create_dir(parent.path().join(name)).unwrap();
            fs::write(parent.path().join(name).join("0"), "left").unwrap();
        }
        let next = Folder::create(parent.path(), 1 << 20).unwrap();
        next.catch_up();
        let there = names(parent.path());
        assert_eq!(there.len(), 3, "{there:?}");
        assert!(!there.contains(&"souk-cache-7".to_owned()));
        assert!(there.contains(&"souk-cache-copy".to_owned()));
    }
}
