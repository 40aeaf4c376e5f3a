//! The certificate of the local edge: for this machine's own names, signed by
//! an authority whose key is thrown away, so that nothing else can ever be
//! signed by what a developer chose to trust.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::secrets::{private_dir, write_private};

/// The names of this machine for itself.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The files of the edge's certificate.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Tls {
    /// Those in the stack's folder, made when one is missing.
    pub(crate) fn of(dir: &Path) -> anyhow::Result<Self> {
        let folder = dir.join("tls");
        let tls = Self {
            ca: folder.join("ca.pem"),
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        if !(tls.ca.is_file() && tls.cert.is_file() && tls.key.is_file()) {
            private_dir(&folder)?;
            tls.make().context("cannot make the local certificate")?;
        }
        Ok(tls)
    }

    /// The authority's certificate, for clients.
    pub(crate) fn ca_pem(&self) -> anyhow::Result<String> {
        fs::read_to_string(&self.ca).with_context(|| self.ca.display().to_string())
    }

    fn make(&self) -> anyhow::Result<()> {
        let mut ca = CertificateParams::new(Vec::<String>::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name
            .push(DnType::CommonName, "Souk local authority");
        ca.not_before = date_time_ymd(2026, 1, 1);
        ca.not_after = date_time_ymd(2046, 1, 1);
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let mut leaf = CertificateParams::new(NAMES.map(str::to_owned))?;
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.distinguished_name
            .push(DnType::CommonName, "localhost");
        leaf.not_before = date_time_ymd(2026, 1, 1);
        leaf.not_after = date_time_ymd(2046, 1, 1);
        let key = KeyPair::generate()?;
        let cert = leaf.signed_by(&key, &issuer)?.pem();

        write_private(&self.key, key.serialize_pem().as_bytes())?;
        fs::write(&self.cert, cert)?;
        fs::write(&self.ca, ca_pem)?;
        Ok(())
    }
}
