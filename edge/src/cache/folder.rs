//! A folder that is this process's own, in one that several may share: a new
//! edge starts while the old one still serves. Whatever is left in there by one
//! that has died is removed by the next that starts.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::sync::Semaphore;

use super::room::{self, Room};

/// How such folders' names begin.
const PREFIX: &str = "souk-cache-";
/// Held by the process whose folder it lies in.
const LOCK: &str = "lock";
/// A file takes whole blocks.
const BLOCK_BYTES: usize = 4096;

/// A folder of files; all of them together take no more than its room.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    next: AtomicU64,
    room: Arc<Semaphore>,
    max_bytes: u64,
    _lock: File,
}

impl Folder {
    /// An empty folder in `parent`, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(parent: &Path, max_bytes: u64) -> io::Result<Self> {
        let mut private = DirBuilder::new();
        private.mode(0o700);
        private.recursive(true).create(parent)?;
        // Nobody takes a folder for left behind before its owner has the lock.
        let turn = open(&parent.join(format!("{PREFIX}{LOCK}")))?;
        turn.lock()?;
        remove_left(parent)?;
        let mut paths = (0_u64..).map(|number| parent.join(format!("{PREFIX}{number}")));
        let path = paths.find(|path| !path.exists()).ok_or(ErrorKind::Other)?;
        private.recursive(false).create(&path)?;
        let lock = open(&path.join(LOCK))?;
        lock.lock()?;
        Ok(Self {
            path,
            next: AtomicU64::new(0),
            room: room::of(usize::try_from(max_bytes).unwrap_or(usize::MAX)),
            max_bytes,
            _lock: lock,
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
    pub fn store(self: &Arc<Self>, bytes: &[u8]) -> io::Result<Stored> {
        let room = Room::begin(&self.room, occupied(bytes.len())).ok_or(ErrorKind::StorageFull)?;
        let number = self.next.fetch_add(1, Relaxed);
        // From here on it is removed, however far it got.
        let stored = Stored {
            path: self.path.join(number.to_string()),
            length: bytes.len(),
            folder: Arc::clone(self),
            _room: room,
        };
        create_new(&stored.path)?.write_all(bytes)?;
        Ok(stored)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "what was kept on disk is left behind");
        }
    }
}

/// A file in the folder; removed when dropped.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    length: usize,
    // Its files go before the folder does.
    folder: Arc<Folder>,
    _room: Room,
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
}

impl Drop for Stored {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let folder = self.folder.path.display();
                tracing::warn!(%error, %folder, "a file is left behind");
            }
            _ => {}
        }
    }
}

/// What a file of so many bytes takes on disk.
pub fn occupied(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// Removes the folders of those who have died.
fn remove_left(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !(is_ours && entry.file_type()?.is_dir()) {
            continue;
        }
        let lock = open(&entry.path().join(LOCK))?;
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
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
            .filter(|name| name != "souk-cache-lock")
            .collect()
    }

    #[test]
    fn a_file_is_there_until_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::create(parent.path(), 1 << 20).unwrap());
        let stored = folder.store(b"body").unwrap();
        let mut text = String::new();
        let mut file = stored.open().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "body");
        let path = stored.path.clone();
        drop(stored);
        assert!(!path.exists());
        drop(folder);
        assert!(names(parent.path()).is_empty());
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_is_not_opened() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::create(parent.path(), 1 << 20).unwrap());
        let stored = folder.store(b"body").unwrap();
        fs::write(&stored.path, "bod").unwrap();
        assert!(stored.open().is_err());
        fs::remove_file(&stored.path).unwrap();
        assert!(stored.open().is_err());
    }

    #[test]
    fn all_files_have_no_more_than_the_room() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::create(parent.path(), 3 * 4096).unwrap());
        let large = folder.store(&[0; 4097]).unwrap();
        let small = folder.store(&[0; 1]).unwrap();
        let full = folder.store(&[0; 1]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        drop(small);
        folder.store(&[0; 4096]).unwrap();
        drop(large);
    }

    #[test]
    fn what_the_dead_have_left_goes_and_what_the_living_have_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = Folder::create(parent.path(), 1 << 20).unwrap();
        let dead = parent.path().join("souk-cache-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("0"), "left").unwrap();
        fs::write(parent.path().join("another's"), "stays").unwrap();
        let next = Folder::create(parent.path(), 1 << 20).unwrap();
        assert!(living.path.exists() && next.path.exists() && !dead.exists());
        assert_eq!(names(parent.path()).len(), 3);
    }
}
