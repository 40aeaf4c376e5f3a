//! The `souk` command as a library: the local stack, which the end-to-end
//! tests use too, the import, the events that were given up, the comparison of
//! payments, and the load with its judge. It starts the built binaries and
//! talks to them through the contracts; the judge alone reads what they have
//! written. It must never depend on a service's code.

pub mod bench;
pub mod bench_edge;
pub mod checkout;
pub mod commands;
pub mod events;
pub mod import;
pub mod load;
pub mod reconcile;
pub mod shop;
pub mod stack;
pub mod wire;
