//! Why staff did something, in their own words: for the record, never for a log.

use std::fmt;

use svc_kit::error::Invalid;

/// The longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 500;

/// What staff noted. It may name people, so it never shows itself in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Reads a reason out of a request.
    ///
    /// # Errors
    /// [`Invalid`] when it is empty, too long or holds control characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let invalid = |message: String| Err(Invalid::new("reason", message));
        if text.is_empty() {
            return invalid("must not be empty".to_owned());
        }
        if text.chars().count() > MAX_REASON_CHARS {
            return invalid(format!("must have {MAX_REASON_CHARS} characters at most"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return invalid("must not hold control characters".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// A reason as it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Whoever calls this must not log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        assert_eq!(Reason::parse("  broken \n").unwrap().expose(), "broken");
        let longest = "ü".repeat(MAX_REASON_CHARS);
        assert!(Reason::parse(&longest).is_ok());
        for refused in ["", "   ", "a\0b", "a\u{1b}[2J", &(longest + "ü")] {
            assert!(Reason::parse(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_reason_does_not_show_itself() {
        let reason = Reason::parse("Ada called").unwrap();
        assert_eq!(format!("{reason:?}"), "[redacted]");
    }
}
