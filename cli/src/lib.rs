//! The `souk` command as a library: the local stack, which the end-to-end
//! tests use too, the import, and the events that were given up. It starts the
//! built binaries and talks to them through the contracts only; it must never
//! depend on a service's code.

pub mod bench;
pub mod checkout;
pub mod commands;
pub mod events;
pub mod import;
pub mod shop;
pub mod stack;
pub mod wire;
