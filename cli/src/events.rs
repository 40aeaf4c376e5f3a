//! Events that a consumer has given up: found, shown without what is personal,
//! and delivered again. Nothing is changed unless somebody said so.

mod payload;
mod since;
mod table;

pub use payload::shown;
pub use since::Moment;
pub use table::{json_line, table};
