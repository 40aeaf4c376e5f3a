//! A real mail server, aiosmtpd, that a test has for itself.

use std::{process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::harness::{directory, mails};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/smtp_sink.py");

/// A Python that has aiosmtpd; without one the test says that it was skipped.
pub(crate) fn python() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told where the servers are by the environment"
    )]
    let python = std::env::var("SOUK_TEST_AIOSMTPD").ok();
    if python.is_none() {
        eprintln!("skipped: SOUK_TEST_AIOSMTPD names no Python with aiosmtpd");
    }
    python
}

/// Stops when dropped.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    maildir: TempDir,
    _process: Child,
}

impl SmtpServer {
    /// On this port, or on a free one for 0.
    pub(crate) async fn start(python: &str, port: u16) -> Self {
        let maildir = directory();
        let mut process = Command::new(python)
            .arg(SCRIPT)
            .arg(port.to_string())
            .arg(maildir.path().join("mail"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let port = line.strip_prefix("listening ").unwrap().parse().unwrap();
        Self {
            port,
            maildir,
            _process: process,
        }
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    /// What it has taken.
    pub(crate) fn mails(&self) -> Vec<String> {
        let taken = mails(&self.maildir.path().join("mail").join("new"));
        taken.into_iter().map(|(_, mail)| mail).collect()
    }
}

pub(crate) fn url(port: u16) -> String {
    format!("smtp://127.0.0.1:{port}")
}

/// A port on which nobody listens.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
