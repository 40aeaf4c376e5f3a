//! The local stack: real servers, the services and the edge, as child
//! processes that never outlive the one who started them. No business rules,
//! and nothing outside its own folder is written.

mod crew;
mod free_ports;
mod launch;
mod logs;
mod meilisearch;
mod nats;
mod options;
mod ports;
mod postgres;
mod process;
mod ready;
mod redis;
mod secrets;
mod servers;
mod services;
mod supervisor;
mod tls;
mod whole;

pub use options::{MeilisearchAt, Progress, ServersOptions, StackOptions};
pub use ports::{PortMap, Ports};
pub use process::Process;
pub use secrets::Staff;
pub use servers::Servers;
pub use whole::{Death, SearchEngine, Stack};

pub(crate) use free_ports::FreeBlock;
pub(crate) use launch::{Launch, Output};
pub(crate) use logs::tail as log_tail;
pub(crate) use supervisor::{Running, Supervisor};
pub(crate) use tls::Tls;
