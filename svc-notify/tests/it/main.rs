//! svc-notify on a real database, with real files and a real mail server.

#![expect(clippy::unwrap_used, reason = "tests")]

mod files;
mod harness;
mod list_deliveries;
mod notices;
mod send_delivery;
mod smtp;
mod smtp_server;
mod workers;
