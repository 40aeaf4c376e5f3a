//! `souk servers`: real servers around a command, for tests.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use clap::Args;
use nix::sys::signal::Signal;

use super::signals::Signals;
use crate::checkout;
use crate::stack::{Launch, Output, Ports, Progress, Servers, ServersOptions};

/// What a shell adds to the number of the signal that ended a command.
const SIGNAL_EXIT: i32 = 128;

/// Runs a command with private PostgreSQL, Redis and NATS servers.
///
/// They are fresh, on free ports, and gone when the command has ended. It
/// finds them by DATABASE_URL, SOUK_TEST_REDIS_URL and SOUK_TEST_NATS_URL.
/// SOUK_TEST_NATS_SERVER_BIN, SOUK_TEST_AIOSMTPD and SOUK_TEST_LOCALSTRIPE (a
/// Python that has aiosmtpd, or localstripe) are for tests that start servers of
/// their own. The exit code is the command's.
#[derive(Debug, Args)]
#[command(name = "servers")]
pub struct RunWithServers {
    /// Where the servers keep their data and logs [default: .souk/test in the
    /// checkout].
    #[arg(long)]
    dir: Option<PathBuf>,

    /// Also make these databases, empty.
    #[arg(long = "database", value_name = "NAME")]
    databases: Vec<String>,

    /// The command, after `--`.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

impl RunWithServers {
    /// Starts, runs, stops.
    ///
    /// # Errors
    /// When a server or the command does not start.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let start = Servers::start(ServersOptions {
            dir: checkout::place(self.dir.as_deref(), "test"),
            ports: Ports::Free,
            keep_data: false,
            durable: false,
            nats_password: false,
            progress: Progress::silent(),
        });
        let servers = tokio::select! {
            servers = start => servers?,
            _ = signals.next() => return Ok(interrupted()),
        };
        let names: Vec<&str> = self.databases.iter().map(String::as_str).collect();
        if !names.is_empty() {
            servers.ensure_databases(&names).await?;
        }

        let (program, args) = self.command.split_first().unwrap_or((&EMPTY, &[]));
        let launch = Launch::new(program, Output::Ours)
            .args(args)
            .env("DATABASE_URL", servers.database_url("postgres"))
            .env("SOUK_TEST_REDIS_URL", servers.redis_url())
            .env("SOUK_TEST_NATS_URL", servers.nats_url())
            .env("SOUK_TEST_NATS_SERVER_BIN", servers.nats_server_binary()?)
            // The Python of the pinned tools, which has a mail server and a Stripe.
            .env("SOUK_TEST_AIOSMTPD", checkout::tool("python")?)
            .env("SOUK_TEST_LOCALSTRIPE", checkout::tool("python")?)
            .death_signal(Signal::SIGTERM);
        let command = servers.spawn_command(launch).await?;
        let status = loop {
            tokio::select! {
                status = command.exited() => break status,
                by_terminal = signals.next() => {
                    // Ctrl-C has reached the command by itself.
                    if !by_terminal {
                        command.signal(Signal::SIGTERM);
                    }
                }
            }
        };
        servers.shut_down().await;
        Ok(exit_code(status))
    }
}

static EMPTY: OsString = OsString::new();

fn interrupted() -> ExitCode {
    ExitCode::from(130)
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| Some(SIGNAL_EXIT + status.signal()?))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
