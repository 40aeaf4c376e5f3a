//! All SQL and all Redis commands of this service. It keeps and finds; what
//! is right to keep is decided by the nouns.

pub mod audit;
pub mod carts;
pub mod changes;
pub mod orders;
pub mod purchases;
pub mod refunds;
pub mod returns;
pub mod reviews;
pub mod velocity;
