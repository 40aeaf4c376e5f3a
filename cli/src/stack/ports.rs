//! Which process listens where. All of it is on 127.0.0.1.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;

use super::Process;
use super::free_ports::FreeBlock;

/// How a stack gets its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// A block that nobody uses, for tests.
    Free,
    /// Known ones, for people.
    Fixed {
        /// The edge with TLS.
        https: u16,
        /// The edge without.
        http: u16,
        /// The servers from here, the services from 10 above, the admin ports
        /// from 20 above.
        base: u16,
    },
}

impl Ports {
    /// The edge's port with TLS in `souk up`.
    pub const HTTPS: u16 = 8443;
    /// The edge's port without TLS in `souk up`.
    pub const HTTP: u16 = 8480;
    /// The first of the others in `souk up`: below the range from which Linux
    /// takes the ports of outgoing connections, which could sit on one.
    pub const BASE: u16 = 18430;
    /// The highest base whose ports all exist.
    pub const HIGHEST_BASE: u16 = u16::MAX - 30;
}

/// The ports of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMap {
    /// The edge with TLS.
    pub https: u16,
    /// The edge without.
    pub http: u16,
    /// PostgreSQL.
    pub postgres: u16,
    /// Redis.
    pub redis: u16,
    /// NATS.
    pub nats: u16,
    /// Meilisearch, where there is one.
    pub meilisearch: u16,
    /// The first service's gRPC port; the others follow.
    grpc: u16,
    /// The first service's admin port; the others and the edge's follow.
    admin: u16,
}

impl PortMap {
    pub(crate) const fn fixed(https: u16, http: u16, base: u16) -> Self {
        Self {
            https,
            http,
            postgres: base,
            redis: base + 1,
            nats: base + 2,
            meilisearch: base + 3,
            grpc: base + 10,
            admin: base + 20,
        }
    }

    /// The ports of a free block; the block must be held as long as they are
    /// used.
    pub(crate) const fn within(block: &FreeBlock) -> Self {
        let first = block.first();
        Self {
            https: first,
            http: first + 1,
            postgres: first + 2,
            redis: first + 3,
            nats: first + 4,
            meilisearch: first + 5,
            grpc: first + 6,
            admin: first + 11,
        }
    }

    /// The gRPC port of a service.
    ///
    /// # Errors
    /// For a process that is no service.
    pub fn grpc(&self, process: Process) -> anyhow::Result<u16> {
        let at = Process::SERVICES
            .iter()
            .position(|service| *service == process)
            .with_context(|| format!("{process} has no gRPC port"))?;
        Ok(self.grpc + u16::try_from(at)?)
    }

    /// The admin port of a service or of the edge.
    ///
    /// # Errors
    /// For a server.
    pub fn admin(&self, process: Process) -> anyhow::Result<u16> {
        let at = Process::SERVICES
            .iter()
            .chain(&[Process::Edge])
            .position(|ours| *ours == process)
            .with_context(|| format!("{process} has no admin port"))?;
        Ok(self.admin + u16::try_from(at)?)
    }

    /// What the process listens on, each with a word for people.
    ///
    /// # Errors
    /// None for a process of the stack.
    pub(crate) fn of(&self, process: Process) -> anyhow::Result<Vec<(u16, &'static str)>> {
        Ok(match process {
            Process::Postgres => vec![(self.postgres, "PostgreSQL")],
            Process::Redis => vec![(self.redis, "Redis")],
            Process::Nats => vec![(self.nats, "NATS")],
            Process::Meilisearch => vec![(self.meilisearch, "Meilisearch")],
            Process::Edge => vec![
                (self.https, "the edge with TLS"),
                (self.http, "the edge without TLS"),
                (self.admin(process)?, "the edge's admin port"),
            ],
            service => vec![
                (self.grpc(service)?, service.name()),
                (self.admin(service)?, "an admin port"),
            ],
        })
    }
}

/// Whether somebody could listen there now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_ports_are_those_of_the_documented_base() {
        let ports = PortMap::fixed(Ports::HTTPS, Ports::HTTP, Ports::BASE);
        assert_eq!(ports.grpc(Process::Identity).unwrap(), 18440);
        assert_eq!(ports.grpc(Process::Notify).unwrap(), 18444);
        assert_eq!(ports.admin(Process::Edge).unwrap(), 18455);
        assert!(ports.grpc(Process::Redis).is_err());
    }
}
