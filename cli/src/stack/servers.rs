//! PostgreSQL, Redis and NATS, private to one folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context as _, bail};

use super::crew::Crew;
use super::free_ports::FreeBlock;
use super::postgres::{self, Postgres};
use super::secrets::{Secrets, private_dir, write_private};
use super::{PortMap, Ports, Process, ServersOptions, nats, redis};
use crate::checkout;

/// What a run leaves in its folder, and a fresh start removes.
const DATA: [&str; 6] = [
    "postgres",
    "redis",
    "nats",
    "meilisearch",
    "mail",
    "secrets.json",
];

/// The servers of a stack. Dropping it ends them at once.
#[derive(Debug)]
pub struct Servers {
    crew: Crew,
    ports: PortMap,
    secrets: Secrets,
    durable: bool,
    nats_password: bool,
    _block: Option<FreeBlock>,
    _lock: File,
}

impl Servers {
    /// The file in their folder that says where NATS is, with its password.
    pub const NATS_URL_FILE: &str = "nats-url";

    /// Starts them, and comes back when all answer.
    ///
    /// # Errors
    /// What is missing, taken or failing, in one line; the end of a failing
    /// server's log follows it.
    pub async fn start(options: ServersOptions) -> anyhow::Result<Self> {
        private_dir(&options.dir)?;
        let dir = fs::canonicalize(&options.dir)?;
        let lock = lock(&dir)?;
        if !options.keep_data {
            for name in DATA {
                remove(&dir.join(name))?;
            }
        }
        let block = match options.ports {
            Ports::Free => Some(FreeBlock::claim()?),
            Ports::Fixed { .. } => None,
        };
        let ports = match (options.ports, &block) {
            (Ports::Fixed { https, http, base }, _) => PortMap::fixed(https, http, base),
            (Ports::Free, Some(block)) => PortMap::within(block),
            (Ports::Free, None) => bail!("no free ports"),
        };
        let servers = Self {
            crew: Crew::new(&dir, options.progress)?,
            ports,
            secrets: Secrets::of(&dir)?,
            durable: options.durable,
            nats_password: options.nats_password,
            _block: block,
            _lock: lock,
        };
        let started = tokio::try_join!(
            async { servers.postgres().start().await },
            redis::start(
                &servers.crew,
                ports.redis,
                &servers.secrets.redis,
                options.durable
            ),
            nats::start(
                &servers.crew,
                ports.nats,
                options.nats_password.then_some(&servers.secrets.nats),
                options.durable
            ),
        );
        started?;
        write_private(
            &dir.join(Self::NATS_URL_FILE),
            servers.nats_url().as_bytes(),
        )?;
        Ok(servers)
    }

    /// Makes the databases that are missing.
    ///
    /// # Errors
    /// What PostgreSQL has against it.
    pub async fn ensure_databases(&self, names: &[&str]) -> anyhow::Result<()> {
        self.postgres().ensure_databases(names).await
    }

    /// The address of a database, with the superuser's password.
    pub fn database_url(&self, name: &str) -> String {
        format!(
            "postgres://{}:{}@127.0.0.1:{}/{name}",
            postgres::USER,
            self.secrets.postgres,
            self.ports.postgres
        )
    }

    /// The address of Redis, with its password.
    pub fn redis_url(&self) -> String {
        format!(
            "redis://default:{}@127.0.0.1:{}",
            self.secrets.redis, self.ports.redis
        )
    }

    /// The address of NATS, with its password if it wants one.
    pub fn nats_url(&self) -> String {
        let port = self.ports.nats;
        if self.nats_password {
            format!(
                "nats://{}:{}@127.0.0.1:{port}",
                nats::USER,
                self.secrets.nats
            )
        } else {
            format!("nats://127.0.0.1:{port}")
        }
    }

    /// The NATS server's program, for tests that start their own.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn nats_server_binary(&self) -> anyhow::Result<PathBuf> {
        checkout::tool("nats-server")
    }

    /// Their folder.
    pub fn dir(&self) -> &Path {
        self.crew.dir()
    }

    /// The number of a process that runs.
    pub fn pid(&self, process: Process) -> Option<u32> {
        self.crew.pid(process)
    }

    /// Kills a process, and comes back when it is gone.
    ///
    /// # Errors
    /// When it was never started.
    pub async fn kill(&self, process: Process) -> anyhow::Result<()> {
        self.crew.kill(process).await
    }

    /// Asks a process to finish, and comes back when it has.
    ///
    /// # Errors
    /// When it was never started.
    pub async fn stop(&self, process: Process) -> anyhow::Result<ExitStatus> {
        self.crew.stop(process).await
    }

    /// Starts a process that has ended, and comes back when it is ready.
    ///
    /// # Errors
    /// When it runs, was never started, or does not come up.
    pub async fn start_again(&self, process: Process) -> anyhow::Result<()> {
        self.crew.start_again(process, &[]).await
    }

    /// Stops all in order.
    pub async fn shut_down(&self) {
        self.crew.stop_all().await;
    }

    /// Ends all at once.
    pub fn end_all(&self) {
        self.crew.supervisor().end_all();
    }

    /// Runs a command in our terminal, with those variables.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn spawn_command(
        &self,
        launch: super::Launch,
    ) -> anyhow::Result<super::supervisor::Running> {
        let program = launch.program.display().to_string();
        self.crew
            .supervisor()
            .spawn(launch, nix::sys::signal::Signal::SIGTERM)
            .await
            .with_context(|| format!("cannot start {program}"))
    }

    pub(crate) const fn crew(&self) -> &Crew {
        &self.crew
    }

    pub(crate) const fn ports(&self) -> &PortMap {
        &self.ports
    }

    pub(crate) const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn postgres(&self) -> Postgres<'_> {
        Postgres {
            crew: &self.crew,
            port: self.ports.postgres,
            password: &self.secrets.postgres,
            durable: self.durable,
        }
    }
}

/// One stack a folder. The kernel lets go of the lock with the process.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another souk is running in {}", dir.display()),
        Err(TryLockError::Error(error)) => Err(error).context(path.display().to_string()),
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
