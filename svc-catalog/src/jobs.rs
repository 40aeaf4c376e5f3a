//! Reconcilers: they take no input and may be cut off at any time.

mod expire_reservations;
mod index_products;
mod repair_cache;

pub use expire_reservations::ExpireReservations;
pub use index_products::IndexProducts;
pub use repair_cache::RepairCache;
