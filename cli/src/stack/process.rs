//! The processes of a stack, by name.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

/// A process of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// The databases of all services.
    Postgres,
    /// Carts, sessions and caches.
    Redis,
    /// Events.
    Nats,
    /// The search engine, where its binary is there.
    Meilisearch,
    /// svc-identity.
    Identity,
    /// svc-catalog.
    Catalog,
    /// svc-order.
    Order,
    /// svc-payment.
    Payment,
    /// svc-notify.
    Notify,
    /// The proxy in front.
    Edge,
}

impl Process {
    /// The five services, in the order of their ports.
    pub const SERVICES: [Self; 5] = [
        Self::Identity,
        Self::Catalog,
        Self::Order,
        Self::Payment,
        Self::Notify,
    ];

    /// In the order in which they stop: who calls before who is called.
    pub(crate) const STOP_ORDER: [&'static [Self]; 4] = [
        &[Self::Edge],
        &Self::SERVICES,
        &[Self::Nats, Self::Redis, Self::Meilisearch],
        &[Self::Postgres],
    ];

    /// The name people and log files use; for ours, that of the binary too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Meilisearch => "meilisearch",
            Self::Identity => "svc-identity",
            Self::Catalog => "svc-catalog",
            Self::Order => "svc-order",
            Self::Payment => "svc-payment",
            Self::Notify => "svc-notify",
            Self::Edge => "edge",
        }
    }

    /// Whether it is one of ours, with an admin port.
    pub const fn is_ours(self) -> bool {
        !matches!(
            self,
            Self::Postgres | Self::Redis | Self::Nats | Self::Meilisearch
        )
    }

    /// What asks it to finish in order. PostgreSQL would wait for its clients
    /// on SIGTERM; SIGINT ends their sessions.
    pub(crate) const fn stop_signal(self) -> Signal {
        match self {
            Self::Postgres => Signal::SIGINT,
            _ => Signal::SIGTERM,
        }
    }

    /// What ends it at once without leaving anything behind: a killed
    /// PostgreSQL would leave shared memory.
    pub(crate) const fn quick_signal(self) -> Signal {
        match self {
            Self::Postgres => Signal::SIGQUIT,
            _ => Signal::SIGKILL,
        }
    }

    /// How long it may take to finish before it is killed.
    pub(crate) const fn stop_grace(self) -> Duration {
        match self {
            Self::Postgres => Duration::from_secs(20),
            // They finish what runs within ten seconds themselves.
            _ => Duration::from_secs(15),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
