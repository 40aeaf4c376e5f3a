//! Asking a shop for the comparison of a day with the payment providers, and
//! showing what does not agree: as a table and as CSV.

mod ask;
mod line;
mod table;
mod to_csv;

pub use ask::{Reconciled, Staff};
pub use line::Line;
pub use table::print;
pub use to_csv::write_csv;
