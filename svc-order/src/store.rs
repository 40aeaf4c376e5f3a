//! All SQL and all Redis commands of this service. It keeps and finds; what
//! is right to keep is decided by the nouns.

pub mod carts;
pub mod changes;
pub mod orders;
