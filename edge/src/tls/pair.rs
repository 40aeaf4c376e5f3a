//! A certificate and its key, from two PEM files.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where a pair lies.
#[derive(Debug, Clone)]
pub(super) struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// What the files held. It is compared, never shown: one is a secret.
#[derive(PartialEq, Eq)]
struct Contents {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate that can be shown.
pub(super) struct Pair {
    files: Files,
    /// What was read last, whether it was of use or not, so that nothing is
    /// reported twice.
    seen: Mutex<Option<Contents>>,
    /// The names it is for, in lower case; "*.shop.example" is for all names
    /// beside it.
    pub(super) names: Vec<String>,
    /// When it ends.
    pub(super) expires_unix_seconds: i64,
    /// What rustls needs.
    pub(super) key: Arc<CertifiedKey>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("files", &self.files)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Files {
    pub(super) fn new(chain: &Path, key: &Path) -> Self {
        let (chain, key) = (chain.to_owned(), key.to_owned());
        Self { chain, key }
    }

    fn read(&self) -> anyhow::Result<Contents> {
        let chain = read(&self.chain)
            .with_context(|| format!("the TLS certificate {}", self.chain.display()))?;
        let key = read(&self.key).with_context(|| format!("the TLS key {}", self.key.display()))?;
        Ok(Contents { chain, key })
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::metadata(path)?.len();
    anyhow::ensure!(bytes <= MAX_FILE_BYTES, "it has {bytes} bytes");
    Ok(std::fs::read(path)?)
}

impl Pair {
    /// Reads a pair.
    ///
    /// # Errors
    /// When a file cannot be read, they do not belong together, or the
    /// certificate's time is over or has not come.
    pub(super) fn read(files: Files, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let contents = files.read()?;
        Self::of(files, contents, now)
    }

    /// Reads the files again; `None` when they hold what they held.
    pub(super) fn read_again(&self, now: DateTime<Utc>) -> Option<anyhow::Result<Self>> {
        let contents = self.files.read();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match contents {
            Ok(contents) if seen.as_ref() == Some(&contents) => None,
            Ok(contents) => {
                let (chain, key) = (contents.chain.clone(), contents.key.clone());
                *seen = Some(contents);
                Some(Self::of(self.files.clone(), Contents { chain, key }, now))
            }
            // Reported once, until something is there again.
            Err(error) => seen.take().map(|_| Err(error)),
        }
    }

    fn of(files: Files, contents: Contents, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let chain = files.chain.display();
        let certificates = CertificateDer::pem_slice_iter(&contents.chain)
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("the TLS certificate {chain}"))?;
        let Some(first) = certificates.first() else {
            anyhow::bail!("{chain} holds no certificate");
        };
        let (names, expires_unix_seconds) =
            names_and_end(first, now).with_context(|| format!("the TLS certificate {chain}"))?;
        let key = files.key.display();
        let key_der = PrivateKeyDer::from_pem_slice(&contents.key)
            .with_context(|| format!("the TLS key {key}"))?;
        let signer = any_supported_type(&key_der)
            .with_context(|| format!("the TLS key {key} is of no use"))?;
        let certified = CertifiedKey::new(certificates, signer);
        certified.keys_match().with_context(|| {
            format!("the TLS certificate {chain} and the key {key} do not belong together")
        })?;
        Ok(Self {
            files,
            seen: Mutex::new(Some(contents)),
            names,
            expires_unix_seconds,
            key: Arc::new(certified),
        })
    }

    /// What logs and metrics call it.
    pub(super) fn label(&self) -> &str {
        self.names.first().map_or("unnamed", String::as_str)
    }
}

fn names_and_end(
    certificate: &CertificateDer<'_>,
    now: DateTime<Utc>,
) -> anyhow::Result<(Vec<String>, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).context("it cannot be read")?;
    let validity = parsed.validity();
    let (begins, ends) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    anyhow::ensure!(now.timestamp() >= begins, "its time has not come");
    anyhow::ensure!(now.timestamp() < ends, "it has expired");
    let names = parsed
        .subject_alternative_name()
        .context("its names cannot be read")?
        .map(|extension| &extension.value.general_names)
        .into_iter()
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    Ok((names, ends))
}
