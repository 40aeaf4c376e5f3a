//! The commands: what they are called with, what they print and what they
//! exit with. The work itself is in `stack` and `import`.

pub mod bench_orders;
pub mod import;
pub mod servers;
pub mod token;
pub mod up;

mod restarts;
mod seed;
mod signals;
