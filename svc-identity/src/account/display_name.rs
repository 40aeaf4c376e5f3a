//! How the shop addresses somebody.

use std::fmt;

use svc_kit::error::Invalid;

use crate::text;

/// The longest display name, in characters.
pub const DISPLAY_NAME_MAX: usize = 100;

/// One line of text; it does not show itself in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty, too long, or not one line of text.
    pub fn parse(field: &str, value: &str) -> Result<Self, Invalid> {
        text::line(field, value, 1, DISPLAY_NAME_MAX).map(Self)
    }

    /// Takes a name that was checked when it was stored.
    pub(crate) fn stored(value: String) -> Self {
        Self(value)
    }

    /// The name itself: personal data.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
