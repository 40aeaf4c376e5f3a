//! Reconcilers: they take no input and may be cut off at any time.

mod chase_reservations;
mod index_products;
mod repair_cache;

pub use chase_reservations::ChaseReservations;
pub use index_products::IndexProducts;
pub use repair_cache::RepairCache;
