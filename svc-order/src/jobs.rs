//! Workers without input.

mod resume_checkouts;

pub use resume_checkouts::ResumeCheckouts;
