//! The edge's own certificates. Callers are shown the one that fits the name
//! they ask for, else the first. The files are read again and again, and when
//! the process is told to; what is of no use is reported, and the certificate
//! that was there stays.

mod pair;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use pingora::listeners::tls::TlsSettings;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use svc_kit::{Shutdown, clock::Clock};

pub use pingora::listeners::tls::Acceptor;

use self::pair::{Files, Pair};
use crate::metrics;

/// How often the files are read again. Kubernetes swaps a link: what is read
/// is what it leads to.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The certificates that are shown to callers.
#[derive(Debug)]
pub struct Certificates {
    shown: ArcSwap<Shown>,
    clock: Clock,
}

/// The certificates at one moment.
#[derive(Debug)]
struct Shown {
    pairs: Vec<Arc<Pair>>,
    names: HashMap<String, Arc<CertifiedKey>>,
}

impl Shown {
    fn new(pairs: Vec<Arc<Pair>>) -> Self {
        let mut names = HashMap::new();
        for pair in &pairs {
            for name in &pair.names {
                // The first that has the name.
                names
                    .entry(name.clone())
                    .or_insert_with(|| Arc::clone(&pair.key));
            }
        }
        metrics::certificates(
            pairs
                .iter()
                .map(|pair| (pair.label(), pair.expires_unix_seconds)),
        );
        Self { pairs, names }
    }

    /// The certificate for a name: its own, or one for all names beside it.
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl Certificates {
    /// Reads the certificates and their keys, PEM files in pairs.
    ///
    /// # Errors
    /// When there is none, or one is of no use.
    pub fn load(chains: &[PathBuf], keys: &[PathBuf], clock: Clock) -> anyhow::Result<Arc<Self>> {
        let shown = ArcSwap::from_pointee(read_all(chains, keys, &clock)?);
        Ok(Arc::new(Self { shown, clock }))
    }

    /// Reads certificates from other files, and says how to show them.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn prepare(
        self: &Arc<Self>,
        chains: &[PathBuf],
        keys: &[PathBuf],
    ) -> anyhow::Result<impl FnOnce() + Send + use<>> {
        let shown = Arc::new(read_all(chains, keys, &self.clock)?);
        let this = Arc::clone(self);
        Ok(move || this.shown.store(shown))
    }

    /// Reads the files again; a pair that has changed and is in order takes
    /// the place of the one before.
    pub fn read_again(&self) {
        let before = self.shown.load_full();
        let mut changed = false;
        let pairs = before
            .pairs
            .iter()
            .map(|pair| {
                let Some(outcome) = pair.read_again(self.clock.now()) else {
                    return Arc::clone(pair);
                };
                let label = pair.label();
                match outcome {
                    Ok(fresh) => {
                        changed = true;
                        metrics::certificate_read(label, "replaced");
                        tracing::info!(certificate = label, "certificate replaced");
                        Arc::new(fresh)
                    }
                    Err(error) => {
                        metrics::certificate_read(label, "refused");
                        tracing::error!(
                            certificate = label,
                            error = format!("{error:#}"),
                            "certificate refused; the one before stays"
                        );
                        Arc::clone(pair)
                    }
                }
            })
            .collect();
        if changed {
            // Unless others were put in place in the meantime.
            self.shown
                .compare_and_swap(&before, Arc::new(Shown::new(pairs)));
        }
    }

    /// Reads the files again and again.
    pub async fn keep_reading(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.stopped() => return,
                () = tokio::time::sleep(READ_EVERY) => {}
            }
            let this = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || this.read_again())
                .await
                .is_err()
            {
                tracing::error!("reading the certificates panicked");
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.load();
        hello
            .server_name()
            .and_then(|name| shown.find(name))
            .or_else(|| shown.pairs.first().map(|pair| &pair.key))
            .cloned()
    }
}

fn read_all(chains: &[PathBuf], keys: &[PathBuf], clock: &Clock) -> anyhow::Result<Shown> {
    anyhow::ensure!(!chains.is_empty(), "HTTPS needs a certificate and its key");
    anyhow::ensure!(
        chains.len() == keys.len(),
        "there are {} certificates and {} keys",
        chains.len(),
        keys.len()
    );
    let pairs = chains
        .iter()
        .zip(keys)
        .map(|(chain, key)| Pair::read(Files::new(chain, key), clock.now()).map(Arc::new))
        .collect::<anyhow::Result<_>>()?;
    Ok(Shown::new(pairs))
}

/// How a listener speaks TLS: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
///
/// # Errors
/// Never in practice.
pub fn settings(certificates: Arc<Certificates>) -> anyhow::Result<TlsSettings> {
    let mut settings = TlsSettings::intermediate("", "")?;
    settings.set_cert_resolver(certificates);
    settings.enable_h2();
    Ok(settings)
}
