//! Talking to a shop through its edge: the channel and the token. Nothing of
//! what is said there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use proto::souk::identity::v1::LogInRequest;
use proto::souk::identity::v1::identity_service_client::IdentityServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::checkout;
use crate::stack::Staff;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Connects to an edge. Without a certificate of its own, the machine's
/// authorities are trusted.
///
/// # Errors
/// One line with the address when nobody answers there.
pub async fn connect(url: &str, ca_pem: Option<&str>) -> anyhow::Result<Channel> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url} is no address"))?
        .connect_timeout(CONNECT_WITHIN);
    if url.starts_with("https:") {
        let tls = match ca_pem {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls).context("the certificate")?;
    }
    endpoint
        .connect()
        .await
        .map_err(|error| anyhow::anyhow!("no shop answers at {url}: {}", innermost(&error)))
}

/// Trades an e-mail address and a password for an access token.
///
/// # Errors
/// What the shop has against it.
pub async fn log_in(channel: Channel, email: &str, password: &str) -> anyhow::Result<String> {
    let answer = IdentityServiceClient::new(channel)
        .log_in(LogInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        })
        .await
        .map_err(|status| anyhow::anyhow!("cannot log in as {email}: {}", said(&status)))?;
    let tokens = answer.into_inner().tokens;
    Ok(tokens.context("the shop sent no tokens")?.access_token)
}

/// The header that goes with a token.
///
/// # Errors
/// For a token that fits into no header.
pub fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    format!("Bearer {token}").parse().context("the token")
}

/// A status for people.
pub fn said(status: &tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// Where a shop is and who we are there: options shared by commands.
#[derive(Debug, clap::Args)]
pub struct ShopArgs {
    /// The edge of the shop.
    #[arg(long, default_value = "https://localhost:8443")]
    endpoint: String,

    /// The certificate to trust; without it, the one of the local stack, and
    /// where there is none, the authorities of this machine.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// The folder of the local stack [default: .souk/up in the checkout].
    #[arg(long)]
    dir: Option<PathBuf>,

    /// The staff account; without it, that of the local stack.
    #[arg(long, env = "SOUK_STAFF_EMAIL", requires = "staff_password")]
    staff_email: Option<String>,

    /// Its password.
    #[arg(long, env = "SOUK_STAFF_PASSWORD", hide_env_values = true)]
    staff_password: Option<String>,
}

impl ShopArgs {
    /// Connects to the shop.
    ///
    /// # Errors
    /// When the certificate is unreadable or nobody answers.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        connect(&self.endpoint, self.ca_pem()?.as_deref()).await
    }

    /// The staff account to use.
    ///
    /// # Errors
    /// When none is known.
    pub fn staff(&self) -> anyhow::Result<Staff> {
        if let (Some(email), Some(password)) = (&self.staff_email, &self.staff_password) {
            return Ok(Staff {
                email: email.clone(),
                password: password.clone(),
            });
        }
        let path = self.dir().join(Staff::FILE);
        let Ok(bytes) = fs::read(&path) else {
            bail!(
                "no staff account: {} is missing (`make up` makes it), and \
                 SOUK_STAFF_EMAIL and SOUK_STAFF_PASSWORD are not set",
                path.display()
            );
        };
        serde_json::from_slice(&bytes).with_context(|| format!("{} is broken", path.display()))
    }

    fn dir(&self) -> PathBuf {
        checkout::place(self.dir.as_deref(), "up")
    }

    fn ca_pem(&self) -> anyhow::Result<Option<String>> {
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        if let Some(path) = &self.cacert {
            return read(path).map(Some);
        }
        let local = self.dir().join("tls/ca.pem");
        if self.is_local() && local.is_file() {
            return read(&local).map(Some);
        }
        Ok(None)
    }

    fn is_local(&self) -> bool {
        let rest = self.endpoint.trim_start_matches("https://");
        ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
            rest.strip_prefix(name)
                .is_some_and(|end| end.is_empty() || end.starts_with([':', '/']))
        })
    }
}

/// The cause at the bottom of an error: the others only say that there is one.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
