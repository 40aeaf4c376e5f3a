//! The servers that are compared: where their programs are and how each is set
//! up for the same work.

mod edge;
mod envoy;
mod haproxy;
mod nginx;
mod varnish;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::server::{Ground, Listens};
use crate::checkout;
use crate::stack::Launch;

/// Where `bin/setup bench` puts what is not the distribution's.
const TOOLS: &str = ".souk/bench-tools/venv/bin";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    /// Ours.
    Edge,
    Nginx,
    Haproxy,
    Varnish,
    Envoy,
}

impl Peer {
    pub(super) const ALL: [Self; 5] = [
        Self::Edge,
        Self::Nginx,
        Self::Haproxy,
        Self::Varnish,
        Self::Envoy,
    ];

    pub(super) fn program(self) -> anyhow::Result<PathBuf> {
        let name = match self {
            Self::Edge => return checkout::binary(None, "edge"),
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Varnish => "varnishd",
            Self::Envoy => "envoy",
        };
        let tool = checkout::root().join(TOOLS).join(name);
        Some(tool)
            .filter(|tool| tool.is_file())
            .or_else(|| checkout::on_path(name))
            .context("not installed; bin/setup bench does it")
    }

    /// A line for people.
    pub(super) fn version(self, program: &Path) -> String {
        let flag = match self {
            Self::Edge | Self::Envoy => "--version",
            Self::Nginx | Self::Haproxy => "-v",
            Self::Varnish => "-V",
        };
        let told = Command::new(program).arg(flag).output().ok();
        let text = told.map_or_else(String::new, |told| {
            String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned()
        });
        // Each tells it in words of its own; a version begins with a digit.
        let version = text
            .split(|c: char| c.is_whitespace() || "/-()".contains(c))
            .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or("of unknown version");
        format!("{self} {version}")
    }

    /// How it is started, with its configuration in `dir`.
    pub(super) fn launch(
        self,
        ground: &Ground<'_>,
        listens: Listens,
        dir: &Path,
        log: &Path,
    ) -> anyhow::Result<Launch> {
        let launch = ground.launch(&self.program()?, log);
        match self {
            Self::Edge => Ok(edge::launch(launch, ground, listens)),
            Self::Nginx => nginx::launch(launch, ground, listens, dir),
            Self::Haproxy => haproxy::launch(launch, ground, listens, dir),
            Self::Varnish => varnish::launch(launch, ground, listens, dir),
            Self::Envoy => envoy::launch(launch, ground, listens, dir),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Edge => "edge",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Varnish => "varnish",
            Self::Envoy => "envoy",
        })
    }
}
