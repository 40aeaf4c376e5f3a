//! The commands: what they are called with, what they print and what they
//! exit with. The work itself is in `stack`, `import`, `events`, `load` and
//! `reconcile`.

pub mod bench_edge;
pub mod bench_orders;
pub mod events;
pub mod import;
pub mod load;
pub mod reconcile;
pub mod servers;
pub mod token;
pub mod up;

mod restarts;
mod seed;
mod signals;
