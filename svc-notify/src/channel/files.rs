//! Mails as files, for development: complete when they appear, and only one
//! for each delivery.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{fs, io::AsyncWriteExt as _};

use crate::delivery::{DeliveryId, SendError};

/// A directory of `.eml` files.
#[derive(Debug, Clone)]
pub struct Files {
    directory: PathBuf,
}

impl Files {
    /// In this directory, which is made when the first mail comes.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Writes a mail as `<delivery>.eml`, and the same again if it is there.
    pub(super) async fn write(&self, id: DeliveryId, mail: &[u8]) -> Result<(), SendError> {
        replace(&self.directory, &format!("{id}.eml"), mail)
            .await
            .map_err(|error| {
                tracing::warn!(%error, "mail not written");
                SendError::Later("FILE".to_owned())
            })
    }
}

async fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(directory).await?;
    let temporary = directory.join(format!(".{name}.part"));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    fs::rename(&temporary, directory.join(name)).await
}
