//! Loading a catalog from a file: read line by line, checked, sent in batches,
//! reported. A bad line never stops the rest, and no line is ever held whole
//! beyond its limit.

mod bad;
mod categories;
mod csv_row;
mod field;
mod json_row;
mod lines;
mod money;
mod row;
mod rows;
mod send;
mod slug;

pub use bad::Bad;
pub use categories::create_categories;
pub use money::Currency;
pub use rows::{Format, Source};
pub use send::{Import, Report, Sent};
