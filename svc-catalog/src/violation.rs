//! A field that breaks a rule: which, why, and a stable name of the rule.

use svc_kit::error::Invalid;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path: "price".
    pub field: &'static str,
    /// Stable upper-snake: "PRICE_NEGATIVE".
    pub reason: &'static str,
    /// Follows the field's name in a sentence: "must not be negative".
    pub message: String,
}

impl Violation {
    /// The field, the rule, and what is wrong.
    pub fn new(field: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            reason,
            message: message.into(),
        }
    }

    /// The same rule, broken by a part of `parent`.
    pub fn invalid(&self, parent: &str) -> Invalid {
        let field = if parent.is_empty() {
            self.field.to_owned()
        } else {
            format!("{parent}.{}", self.field)
        };
        Invalid::new(field, self.message.clone())
    }

    /// A sentence: "price must not be negative".
    pub fn sentence(&self) -> String {
        format!("{} {}", self.field, self.message)
    }
}

/// Refuses what Postgres cannot keep in a text: NUL.
///
/// # Errors
/// `TEXT_INVALID`.
pub fn no_nul(field: &'static str, text: &str) -> Result<(), Violation> {
    if text.contains('\0') {
        return Err(Violation::new(
            field,
            "TEXT_INVALID",
            "must not contain NUL characters",
        ));
    }
    Ok(())
}

/// Refuses a text of more than `max` characters.
///
/// # Errors
/// The given reason.
pub fn at_most(
    field: &'static str,
    reason: &'static str,
    text: &str,
    max: usize,
) -> Result<(), Violation> {
    // A text has at least as many bytes as characters; most are not counted.
    if text.len() > max && text.chars().count() > max {
        return Err(Violation::new(
            field,
            reason,
            format!("must not be longer than {max} characters"),
        ));
    }
    Ok(())
}
