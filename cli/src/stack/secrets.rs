//! The passwords of a stack: made once at random, kept in files that only
//! their owner reads. They go to children by file or environment, never by a
//! command line, which everybody on the machine could read.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Of randomness in a password.
const SECRET_BYTES: usize = 24;
/// The staff account of a local stack.
const STAFF_EMAIL: &str = "staff@souk.example";

/// The account that may change the catalog.
#[derive(Clone, Serialize, Deserialize)]
pub struct Staff {
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for Staff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staff")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl Staff {
    /// Its file in a stack's folder.
    pub const FILE: &str = "staff.json";

    pub(crate) fn of(dir: &Path) -> anyhow::Result<Self> {
        kept(&dir.join(Self::FILE), || {
            Ok(Self {
                email: STAFF_EMAIL.to_owned(),
                password: random()?,
            })
        })
    }
}

/// The passwords between the processes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) nats: String,
    pub(crate) meilisearch: String,
    pub(crate) internal: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    pub(crate) fn of(dir: &Path) -> anyhow::Result<Self> {
        kept(&dir.join("secrets.json"), || {
            Ok(Self {
                postgres: random()?,
                redis: random()?,
                nats: random()?,
                meilisearch: random()?,
                internal: random()?,
            })
        })
    }
}

/// What the file holds, made first when it is not there.
fn kept<T: Serialize + DeserializeOwned>(
    path: &Path,
    make: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{} is broken", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make()?;
            write_private(path, &serde_json::to_vec_pretty(&made)?)?;
            Ok(made)
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Random text for a password: hexadecimal, so that it fits into any URL.
fn random() -> anyhow::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}

/// Writes a file that only its owner reads; whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let parts = path.with_extension("part");
    let write = || -> io::Result<()> {
        // One of an interrupted run could have other rights.
        match fs::remove_file(&parts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&parts)?;
        file.write_all(bytes)?;
        fs::rename(&parts, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Makes a folder that only its owner enters.
pub(crate) fn private_dir(path: &Path) -> anyhow::Result<()> {
    let make = || -> io::Result<()> {
        if !path.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    };
    make().with_context(|| format!("cannot make {}", path.display()))
}
