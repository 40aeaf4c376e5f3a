//! How a child process is started: its command line, with the wrappers that
//! keep it from outliving us and PostgreSQL from running as root.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::logs;

/// Where a child's output goes, and with it whose terminal it has.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// To a log file, in a process group of its own: Ctrl-C does not reach it.
    Log(PathBuf),
    /// To ours, with our input and in our process group.
    Ours,
}

/// Who the child runs as.
#[derive(Clone, Debug)]
pub(crate) enum User {
    /// As we do.
    Same,
    /// As root under another number, in a user namespace: its files stay
    /// root's, but it does not see itself as root.
    Namespace,
    /// As that user of this machine.
    Named(String),
}

/// A command line to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(String, OsString)>,
    pub(crate) output: Output,
    pub(crate) user: User,
    /// What the kernel sends it when our supervising thread dies.
    pub(crate) death_signal: Signal,
}

impl Launch {
    pub(crate) fn new(program: impl Into<PathBuf>, output: Output) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            output,
            user: User::Same,
            death_signal: Signal::SIGKILL,
        }
    }

    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub(crate) fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    pub(crate) const fn death_signal(mut self, signal: Signal) -> Self {
        self.death_signal = signal;
        self
    }

    /// The log its output goes to.
    pub(crate) fn log(&self) -> Option<&Path> {
        match &self.output {
            Output::Log(log) => Some(log),
            Output::Ours => None,
        }
    }

    /// The command as the operating system gets it. The death signal is set
    /// by the innermost wrapper: a change of user before it would clear it.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let mut line: Vec<&OsStr> = Vec::new();
        match &self.user {
            User::Same => {}
            User::Namespace => line.extend(
                [
                    "unshare",
                    "--user",
                    "--map-user=1000",
                    "--map-group=1000",
                    "--",
                ]
                .map(OsStr::new),
            ),
            User::Named(user) => {
                line.extend(["setpriv", "--reuid", user, "--regid", user].map(OsStr::new));
                line.extend(["--init-groups", "--"].map(OsStr::new));
            }
        }
        // setpriv wants the name without its prefix.
        let signal = self.death_signal.as_str().trim_start_matches("SIG");
        line.extend(["setpriv", "--pdeathsig", signal, "--"].map(OsStr::new));
        line.push(self.program.as_os_str());

        let mut command = Command::new(line[0]);
        command.args(&line[1..]).args(&self.args);
        for (name, value) in &self.env {
            command.env(name, value);
        }
        match &self.output {
            Output::Log(log) => {
                let file = logs::open(log)?;
                command
                    .stdin(Stdio::null())
                    .stdout(file.try_clone()?)
                    .stderr(file)
                    .process_group(0);
            }
            Output::Ours => {}
        }
        Ok(command)
    }
}
