//! The edge's own certificate. It is held where a later reload can put
//! another one; connections take what is there when they begin.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use pingora::listeners::tls::TlsSettings;
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// The certificate that is shown to callers.
#[derive(Debug)]
pub struct Certificate(ArcSwap<CertifiedKey>);

impl Certificate {
    /// Reads a chain and its key from PEM files.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn load(chain: &Path, key: &Path) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(read(chain, key)?))))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn read(chain: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("the TLS certificate {}", chain.display()))?;
    anyhow::ensure!(
        !certificates.is_empty(),
        "{} holds no certificate",
        chain.display()
    );
    let key_der = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("the TLS key {}", key.display()))?;
    let signer = any_supported_type(&key_der)
        .with_context(|| format!("the TLS key {} is of no use", key.display()))?;
    let certified = CertifiedKey::new(certificates, signer);
    certified.keys_match().with_context(|| {
        format!(
            "the TLS certificate {} and the key {} do not belong together",
            chain.display(),
            key.display()
        )
    })?;
    Ok(certified)
}

/// How a listener speaks TLS: 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
///
/// # Errors
/// Never in practice.
pub fn settings(certificate: Arc<Certificate>) -> anyhow::Result<TlsSettings> {
    let mut settings = TlsSettings::intermediate("", "")?;
    settings.set_cert_resolver(certificate);
    settings.enable_h2();
    Ok(settings)
}
