//! A private PostgreSQL: its cluster is made once, it listens on 127.0.0.1
//! alone (no socket file, whose path could be too long) and wants a password.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use nix::unistd::Uid;

use super::crew::{Crew, Plan};
use super::launch::User;
use super::ready::{Ready, ending};
use super::secrets::{private_dir, write_private};
use super::{Launch, Output, Process, logs};
use crate::checkout::postgres_program;

/// The superuser of the cluster.
pub(super) const USER: &str = "souk";
/// Enough for all services, or for a machine's worth of parallel tests.
const MAX_CONNECTIONS: u32 = 500;
/// The user Debian's package makes.
const SYSTEM_USER: &str = "postgres";

#[derive(Debug)]
pub(super) struct Postgres<'a> {
    pub(super) crew: &'a Crew,
    pub(super) port: u16,
    pub(super) password: &'a str,
    pub(super) durable: bool,
}

impl Postgres<'_> {
    pub(super) async fn start(&self) -> anyhow::Result<()> {
        let user = self.user()?;
        let data = self.home().join("data");
        if !data.is_dir() {
            self.make_cluster(&data, user.clone()).await?;
        }
        let log = self.crew.log_path(Process::Postgres);
        let mut launch = Launch::new(postgres_program("postgres")?, Output::Log(log))
            .arg("-D")
            .arg(&data)
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", &format!("max_connections={MAX_CONNECTIONS}")])
            .user(user)
            .death_signal(Signal::SIGINT);
        if !self.durable {
            launch = launch
                .args(["-c", "fsync=off"])
                .args(["-c", "synchronous_commit=off"])
                .args(["-c", "full_page_writes=off"]);
        }
        let plan = Plan {
            launch,
            ready: Ready::Command(Box::new(self.psql()?.args(["-c", "select 1"]))),
            ports: vec![(self.port, "PostgreSQL")],
        };
        self.crew.start(Process::Postgres, plan).await
    }

    /// Makes the databases that are missing.
    pub(super) async fn ensure_databases(&self, names: &[&str]) -> anyhow::Result<()> {
        let script = self.crew.dir().join("databases.sql");
        let mut lines = String::new();
        for name in names {
            writeln!(
                lines,
                "SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS \
                 (SELECT FROM pg_database WHERE datname = '{name}') \\gexec"
            )?;
        }
        fs::write(&script, lines).with_context(|| script.display().to_string())?;
        let launch = self.psql()?.arg("-f").arg(&script);
        let status = self.crew.supervisor().run(launch.clone()).await?;
        if !status.success() {
            bail!("cannot make the databases ({status}){}", ending(&launch));
        }
        Ok(())
    }

    fn home(&self) -> PathBuf {
        self.crew.dir().join(Process::Postgres.name())
    }

    fn psql(&self) -> anyhow::Result<Launch> {
        let log = logs::path(self.crew.dir(), "psql");
        Ok(Launch::new(postgres_program("psql")?, Output::Log(log))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", USER, "-d", "postgres"])
            .env("PGPASSWORD", self.password))
    }

    /// PostgreSQL refuses to run as root.
    fn user(&self) -> anyhow::Result<User> {
        if !Uid::effective().is_root() {
            private_dir(&self.home())?;
            return Ok(User::Same);
        }
        // A probe of a millisecond: it cannot outlive us.
        let namespaces = Command::new("unshare")
            .args(["--user", "--map-user=1000", "--map-group=1000", "true"])
            .output()
            .is_ok_and(|output| output.status.success());
        private_dir(&self.home())?;
        if namespaces {
            return Ok(User::Namespace);
        }
        let given = Command::new("chown")
            .arg("-R")
            .arg(format!("{SYSTEM_USER}:"))
            .arg(self.home())
            .status();
        let enters = Command::new("setpriv")
            .args([
                "--reuid",
                SYSTEM_USER,
                "--regid",
                SYSTEM_USER,
                "--init-groups",
                "--",
            ])
            .args(["test", "-w"])
            .arg(self.home())
            .status();
        if given.is_ok_and(|status| status.success()) && enters.is_ok_and(|status| status.success())
        {
            return Ok(User::Named(SYSTEM_USER.to_owned()));
        }
        bail!(
            "PostgreSQL does not run as root; user namespaces are closed here, and the user \
             {SYSTEM_USER} cannot enter {}: run this as an ordinary user",
            self.home().display()
        )
    }

    /// Makes the cluster beside its place and moves it there when it is whole.
    async fn make_cluster(&self, data: &std::path::Path, user: User) -> anyhow::Result<()> {
        let unfinished = self.home().join("data.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).with_context(|| unfinished.display().to_string())?;
        }
        let password_file = self.home().join("password");
        write_private(&password_file, self.password.as_bytes())?;
        if let User::Named(name) = &user {
            let status = Command::new("chown")
                .arg(name)
                .arg(&password_file)
                .status()?;
            if !status.success() {
                bail!("cannot give {} to {name}", password_file.display());
            }
        }
        let log = logs::path(self.crew.dir(), "initdb");
        logs::rotate(&log)?;
        let launch = Launch::new(postgres_program("initdb")?, Output::Log(log))
            .arg("-D")
            .arg(&unfinished)
            .args(["-U", USER, "--auth=scram-sha-256", "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "--no-instructions"])
            .arg(format!("--pwfile={}", password_file.display()))
            .args((!self.durable).then_some("--no-sync"))
            .user(user);
        let status = self.crew.supervisor().run(launch.clone()).await?;
        fs::remove_file(&password_file)?;
        if !status.success() {
            bail!("initdb failed ({status}){}", ending(&launch));
        }
        fs::rename(&unfinished, data).with_context(|| data.display().to_string())?;
        Ok(())
    }
}
