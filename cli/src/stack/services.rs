//! The services and the edge: what each is told by its environment.

use std::path::Path;

use super::crew::Plan;
use super::ready::Ready;
use super::servers::Servers;
use super::tls::Tls;
use super::{Launch, MeilisearchAt, Output, Process, StackOptions, Staff};
use crate::checkout;

/// What mail of a local stack says it comes from.
const MAIL_FROM: &str = "Souk <no-reply@souk.example>";

/// The databases, one a service.
pub(super) const DATABASES: [&str; 5] = [
    "souk_identity",
    "souk_catalog",
    "souk_order",
    "souk_payment",
    "souk_notify",
];

/// The database of a service.
pub(super) fn database(process: Process) -> Option<&'static str> {
    let at = Process::SERVICES
        .iter()
        .position(|service| *service == process)?;
    DATABASES.get(at).copied()
}

/// All that the environments are made of.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) servers: &'a Servers,
    pub(super) options: &'a StackOptions,
    pub(super) staff: &'a Staff,
    pub(super) tls: &'a Tls,
    pub(super) mail_dir: &'a Path,
    pub(super) meilisearch: Option<&'a MeilisearchAt>,
}

impl Settings<'_> {
    /// How one of ours is started.
    pub(super) fn plan(&self, process: Process) -> anyhow::Result<Plan> {
        let ports = self.servers.ports();
        let admin = ports.admin(process)?;
        let log = self.servers.crew().log_path(process);
        let program = checkout::binary(self.options.binaries.as_deref(), process.name())?;
        let mut launch = Launch::new(program, Output::Log(log));
        launch = self.common(launch)?;
        launch = launch.env("SOUK_ADMIN_LISTEN", local(admin));
        launch = if process == Process::Edge {
            self.edge(launch)
        } else {
            self.service(process, launch)?
        };
        for (whose, name, value) in &self.options.extra_env {
            if whose.is_none_or(|whose| whose == process) {
                launch = launch.env(name, value);
            }
        }
        Ok(Plan {
            launch,
            ready: Ready::Http(format!("http://{}/readyz", local(admin))),
            ports: ports.of(process)?,
        })
    }

    /// Where the neighbours are.
    fn common(&self, mut launch: Launch) -> anyhow::Result<Launch> {
        let ports = self.servers.ports();
        for (name, process) in [
            ("SOUK_IDENTITY_URL", Process::Identity),
            ("SOUK_CATALOG_URL", Process::Catalog),
            ("SOUK_ORDER_URL", Process::Order),
            ("SOUK_PAYMENT_URL", Process::Payment),
            ("SOUK_NOTIFY_URL", Process::Notify),
        ] {
            launch = launch.env(name, format!("http://{}", local(ports.grpc(process)?)));
        }
        let identity = local(ports.grpc(Process::Identity)?);
        Ok(launch
            .env(
                "SOUK_JWKS_URL",
                format!("http://{identity}/.well-known/jwks.json"),
            )
            .env("SOUK_REDIS_URL", self.servers.redis_url())
            .env("SOUK_NATS_URL", self.servers.nats_url()))
    }

    fn service(&self, process: Process, launch: Launch) -> anyhow::Result<Launch> {
        let mut launch = launch
            .env("SOUK_LISTEN", local(self.servers.ports().grpc(process)?))
            .env("SOUK_INTERNAL_SECRET", &self.servers.secrets().internal);
        if let Some(name) = database(process) {
            launch = launch.env("SOUK_DATABASE_URL", self.servers.database_url(name));
        }
        Ok(match process {
            Process::Identity => launch
                .env("SOUK_STAFF_EMAIL", &self.staff.email)
                .env("SOUK_STAFF_PASSWORD", &self.staff.password),
            Process::Catalog => match self.meilisearch {
                Some(at) => {
                    let launch = launch.env("SOUK_MEILI_URL", &at.url);
                    match &at.key {
                        Some(key) => launch.env("SOUK_MEILI_KEY", key),
                        None => launch,
                    }
                }
                None => launch,
            },
            Process::Payment => launch.env("SOUK_PAYMENT_PROVIDER", "sandbox"),
            Process::Notify => {
                let launch = launch
                    .env("SOUK_MAIL_FROM", MAIL_FROM)
                    .env("SOUK_MAIL_DIR", self.mail_dir);
                match &self.options.smtp {
                    Some(url) => launch.env("SOUK_SMTP_URL", url),
                    None => launch,
                }
            }
            _ => launch,
        })
    }

    fn edge(&self, launch: Launch) -> Launch {
        let ports = self.servers.ports();
        launch
            .env("SOUK_EDGE_HTTPS_LISTEN", local(ports.https))
            .env("SOUK_EDGE_HTTP_LISTEN", local(ports.http))
            .env("SOUK_EDGE_TLS_CERT", &self.tls.cert)
            .env("SOUK_EDGE_TLS_KEY", &self.tls.key)
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
