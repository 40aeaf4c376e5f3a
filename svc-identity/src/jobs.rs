//! What runs by itself. Each job takes no input, is idempotent, and may run in
//! every replica at once.

pub mod end_families;
pub mod rotate_keys;
