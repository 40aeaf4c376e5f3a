//! A server under measurement, and the ground that all of them stand on.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::origin::Origin;
use super::peer::Peer;
use super::row::{Row, Shape};
use super::token::Issuer;
use crate::checkout;
use crate::stack::{FreeBlock, Launch, Output, Running, Servers, Tls, log_tail};

/// How long a server may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long it may take to end before it is killed.
const END_WITHIN: Duration = Duration::from_secs(15);
/// The processor of the server under load, where there are several; the rest
/// is for those who load it.
const SERVER_PROCESSOR: &str = "0";

/// What all servers have in common.
pub(super) struct Ground<'a> {
    pub(super) dir: PathBuf,
    pub(super) servers: &'a Servers,
    pub(super) origin: &'a Origin,
    pub(super) jwks: String,
    pub(super) token: String,
    pub(super) tls: Tls,
    present: Vec<Peer>,
    processors: usize,
    taskset: Option<PathBuf>,
    ports: RefCell<FreePorts>,
}

/// Ports of which nobody has been told yet.
struct FreePorts {
    block: FreeBlock,
    taken: u16,
}

impl<'a> Ground<'a> {
    pub(super) fn prepare(
        servers: &'a Servers,
        origin: &'a Origin,
        issuer: &Issuer,
    ) -> anyhow::Result<Self> {
        let processors = std::thread::available_parallelism()?.get();
        Ok(Self {
            dir: servers.dir().to_owned(),
            servers,
            origin,
            jwks: issuer.jwks(),
            token: issuer.token()?,
            tls: Tls::of(servers.dir())?,
            present: Peer::ALL
                .into_iter()
                .filter(|peer| peer.program().is_ok())
                .collect(),
            processors,
            taskset: checkout::on_path("taskset").filter(|_| processors > 1),
            ports: RefCell::new(FreePorts {
                block: FreeBlock::claim()?,
                taken: 0,
            }),
        })
    }

    /// Those that are installed and can answer a row.
    pub(super) fn peers_of(&self, row: Row) -> Vec<Peer> {
        let can = |peer: &Peer| row.peers().contains(peer);
        self.present.iter().copied().filter(can).collect()
    }

    /// A line about each, for people; who is absent is said.
    pub(super) fn versions(&self, say: &impl Fn(&str)) -> Vec<String> {
        let mut lines = vec![format!(
            "{} processors{}",
            self.processors,
            if self.taskset.is_some() {
                "; the server under load has one of them, h2load and the origin the rest"
            } else {
                ""
            }
        )];
        for peer in Peer::ALL {
            match peer.program() {
                Ok(program) => lines.push(peer.version(&program)),
                Err(why) => say(&format!("{peer} is left out: {why}")),
            }
        }
        lines
    }

    /// A command that shares no processor with the server under load.
    pub(super) fn beside(&self, program: &Path) -> Command {
        match &self.taskset {
            Some(taskset) => {
                let mut command = Command::new(taskset);
                let others = format!("1-{}", self.processors - 1);
                command.args(["-c", &others]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    /// A launch on the server's processor.
    pub(super) fn launch(&self, program: &Path, log: &Path) -> Launch {
        let output = Output::Log(log.to_owned());
        match &self.taskset {
            Some(taskset) => Launch::new(taskset, output)
                .args(["-c", SERVER_PROCESSOR])
                .arg(program),
            None => Launch::new(program, output),
        }
        .death_signal(Signal::SIGTERM) // which also reaches children of its own
    }

    pub(super) fn port(&self) -> u16 {
        let mut ports = self.ports.borrow_mut();
        ports.taken += 1;
        ports.block.first() + ports.taken - 1
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listens {
    pub(super) https: u16,
    pub(super) http: u16,
}

/// A server that runs.
pub(super) struct Server {
    pub(super) peer: Peer,
    listens: Listens,
    ca: PathBuf,
    running: Running,
}

impl Server {
    /// Starts it, and comes back when it answers.
    pub(super) async fn start(ground: &Ground<'_>, peer: Peer) -> anyhow::Result<Self> {
        let listens = Listens {
            https: ground.port(),
            http: ground.port(),
        };
        let dir = ground.dir.join(peer.to_string());
        std::fs::create_dir_all(&dir)?;
        let log = ground.dir.join("logs").join(format!("{peer}.log"));
        let launch = peer.launch(ground, listens, &dir, &log)?;
        let running = ground.servers.spawn_command(launch).await?;
        let server = Self {
            peer,
            listens,
            ca: ground.tls.ca.clone(),
            running,
        };
        server.wait_until_up(&log).await?;
        Ok(server)
    }

    async fn wait_until_up(&self, log: &Path) -> anyhow::Result<()> {
        let port = match self.peer {
            Peer::Varnish => self.listens.http,
            _ => self.listens.https,
        };
        let until = Instant::now() + UP_WITHIN;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if self.running.exit_status().is_some() || Instant::now() > until {
                bail!("{} does not start: {}", self.peer, log_tail(log));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub(super) fn url(&self, shape: &Shape) -> String {
        let path = shape.path;
        if shape.plain {
            format!("http://127.0.0.1:{}{path}", self.listens.http)
        } else {
            format!("https://127.0.0.1:{}{path}", self.listens.https)
        }
    }

    pub(super) fn https(&self) -> u16 {
        self.listens.https
    }

    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The certificate of whoever signed its own.
    pub(super) fn ca(&self) -> &Path {
        &self.ca
    }

    pub(super) async fn stop(self) {
        self.running.end(Signal::SIGTERM, END_WITHIN).await;
    }
}

/// Writes a configuration, and says where.
pub(super) fn config(dir: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}
