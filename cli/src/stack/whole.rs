//! Everything together: the servers, the services and the edge.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::Context as _;

use super::crew::obituary;
use super::secrets::private_dir;
use super::services::{self, Settings};
use super::tls::Tls;
use super::{
    MeilisearchAt, PortMap, Process, Servers, ServersOptions, StackOptions, Staff, meilisearch,
};

/// A running shop. Dropping it ends every process of it at once.
#[derive(Debug)]
pub struct Stack {
    servers: Servers,
    staff: Staff,
    tls: Tls,
    mail_dir: PathBuf,
    search: SearchEngine,
}

/// Who answers searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchEngine {
    /// svc-catalog's own database.
    Postgres,
    /// The Meilisearch of that address.
    Meilisearch(String),
}

impl fmt::Display for SearchEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str("Postgres"),
            Self::Meilisearch(url) => write!(f, "Meilisearch at {url}"),
        }
    }
}

/// A process that ended though nobody asked it to.
#[derive(Clone, Debug)]
pub struct Death {
    /// Which one.
    pub process: Process,
    /// How, with the end of its log, for people.
    pub story: String,
}

impl Stack {
    /// Starts everything, and comes back when all of it is ready.
    ///
    /// # Errors
    /// What is missing, taken or failing, in one line; the end of a failing
    /// process's log follows it.
    pub async fn start(options: StackOptions) -> anyhow::Result<Self> {
        for process in Process::SERVICES.iter().chain(&[Process::Edge]) {
            crate::checkout::binary(options.binaries.as_deref(), process.name())?;
        }
        let servers = Servers::start(ServersOptions {
            dir: options.dir.clone(),
            ports: options.ports,
            keep_data: options.keep_data,
            durable: options.durable,
            nats_password: true,
            progress: options.progress.clone(),
        })
        .await?;
        let dir = servers.dir().to_owned();
        servers.ensure_databases(&services::DATABASES).await?;
        options.progress.say("the databases are there");
        let meilisearch = search_engine(&servers, &options).await?;

        let staff = Staff::of(&dir)?;
        let tls = Tls::of(&dir)?;
        let mail_dir = options.mail_dir.clone().unwrap_or_else(|| dir.join("mail"));
        private_dir(&mail_dir)?;
        let mail_dir = std::path::absolute(mail_dir)?;
        let settings = Settings {
            servers: &servers,
            options: &options,
            staff: &staff,
            tls: &tls,
            mail_dir: &mail_dir,
            meilisearch: meilisearch.as_ref(),
        };
        let crew = servers.crew();
        let [identity, catalog, order, payment, notify] =
            Process::SERVICES.map(|process| (process, settings.plan(process)));
        tokio::try_join!(
            crew.start(identity.0, identity.1?),
            crew.start(catalog.0, catalog.1?),
            crew.start(order.0, order.1?),
            crew.start(payment.0, payment.1?),
            crew.start(notify.0, notify.1?),
        )?;
        crew.start(Process::Edge, settings.plan(Process::Edge)?)
            .await?;
        Ok(Self {
            servers,
            staff,
            tls,
            mail_dir,
            search: meilisearch.map_or(SearchEngine::Postgres, |at| {
                SearchEngine::Meilisearch(at.url)
            }),
        })
    }

    /// The edge, as `https://localhost:port`.
    pub fn edge_url(&self) -> String {
        format!("https://localhost:{}", self.ports().https)
    }

    /// The edge without TLS, as `http://localhost:port`.
    pub fn edge_http_url(&self) -> String {
        format!("http://localhost:{}", self.ports().http)
    }

    /// The certificate that clients of [`Self::edge_url`] must trust.
    ///
    /// # Errors
    /// When its file is gone.
    pub fn ca_pem(&self) -> anyhow::Result<String> {
        self.tls.ca_pem()
    }

    /// The file of that certificate.
    pub fn ca_file(&self) -> &Path {
        &self.tls.ca
    }

    /// The staff account.
    pub const fn staff(&self) -> &Staff {
        &self.staff
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.servers.dir()
    }

    /// The folder where mail lands when it goes to files.
    pub fn mail_dir(&self) -> &Path {
        &self.mail_dir
    }

    /// Who answers searches.
    pub const fn search_engine(&self) -> &SearchEngine {
        &self.search
    }

    /// The ports.
    pub const fn ports(&self) -> &PortMap {
        self.servers.ports()
    }

    /// A service's gRPC address, past the edge.
    ///
    /// # Errors
    /// For a process that is no service.
    pub fn grpc_url(&self, process: Process) -> anyhow::Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.ports().grpc(process)?))
    }

    /// The address of a process's `/livez`, `/readyz` and `/metrics`.
    ///
    /// # Errors
    /// For a server.
    pub fn admin_url(&self, process: Process) -> anyhow::Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.ports().admin(process)?))
    }

    /// The address of a service's database.
    ///
    /// # Errors
    /// For a process that has none.
    pub fn database_url(&self, process: Process) -> anyhow::Result<String> {
        let name =
            services::database(process).with_context(|| format!("{process} has no database"))?;
        Ok(self.servers.database_url(name))
    }

    /// The address of NATS, with its password.
    pub fn nats_url(&self) -> String {
        self.servers.nats_url()
    }

    /// The address of Redis, with its password.
    pub fn redis_url(&self) -> String {
        self.servers.redis_url()
    }

    /// What the processes of the mesh prove themselves with.
    pub fn internal_secret(&self) -> &str {
        &self.servers.secrets().internal
    }

    /// What a process has written since the stack started.
    pub fn log(&self, process: Process) -> String {
        self.servers.crew().log(process)
    }

    /// The file of that.
    pub fn log_path(&self, process: Process) -> PathBuf {
        self.servers.crew().log_path(process)
    }

    /// The number of a process that runs.
    pub fn pid(&self, process: Process) -> Option<u32> {
        self.servers.pid(process)
    }

    /// Kills a process, and comes back when it is gone.
    ///
    /// # Errors
    /// When it was never started.
    pub async fn kill(&self, process: Process) -> anyhow::Result<()> {
        self.servers.kill(process).await
    }

    /// Asks a process to finish, and comes back when it has.
    ///
    /// # Errors
    /// When it was never started.
    pub async fn stop(&self, process: Process) -> anyhow::Result<ExitStatus> {
        self.servers.stop(process).await
    }

    /// Starts a process that has ended, and comes back when it is ready.
    ///
    /// # Errors
    /// When it runs, was never started, or does not come up.
    pub async fn start_again(&self, process: Process) -> anyhow::Result<()> {
        self.servers.start_again(process).await
    }

    /// The same with more environment, for this time.
    ///
    /// # Errors
    /// When it runs, was never started, or does not come up.
    pub async fn start_again_with(
        &self,
        process: Process,
        env: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        self.servers.crew().start_again(process, env).await
    }

    /// The processes that ended though nobody asked them to.
    pub fn deaths(&self) -> Vec<Death> {
        let crew = self.servers.crew();
        crew.dead()
            .into_iter()
            .map(|(process, status)| Death {
                process,
                story: obituary(process, status, &crew.log_path(process)),
            })
            .collect()
    }

    /// Stops everything in order.
    pub async fn shut_down(&self) {
        self.servers.shut_down().await;
    }

    /// Ends everything at once.
    pub fn end_all(&self) {
        self.servers.end_all();
    }
}

/// The Meilisearch to use: the given one, or the one of this machine, started.
async fn search_engine(
    servers: &Servers,
    options: &StackOptions,
) -> anyhow::Result<Option<MeilisearchAt>> {
    if options.meilisearch.is_some() || !options.start_meilisearch {
        return Ok(options.meilisearch.clone());
    }
    let Some(program) = meilisearch::binary() else {
        return Ok(None);
    };
    let port = servers.ports().meilisearch;
    let key = &servers.secrets().meilisearch;
    meilisearch::start(servers.crew(), program, port, key).await?;
    Ok(Some(MeilisearchAt {
        url: format!("http://127.0.0.1:{port}"),
        key: Some(key.clone()),
    }))
}
