//! All SQL of this service, a table a file. Nothing here decides anything.

pub mod adjustments;
pub mod cache_repairs;
pub mod categories;
pub mod leases;
pub mod products;
pub mod request_ids;
pub mod reservations;
pub mod search;
pub mod search_index;
pub mod stock;
pub mod stock_returns;
