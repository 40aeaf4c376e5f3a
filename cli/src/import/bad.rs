//! A line that could not be imported, and why.

use std::borrow::Cow;
use std::fmt;

/// Of a message that quotes the file, shown at most.
const MESSAGE_CHARS: usize = 200;

/// A bad line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bad {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Stable upper-snake: `PRICE_NEGATIVE`.
    pub reason: Cow<'static, str>,
    /// For people.
    pub message: String,
}

impl Bad {
    pub(crate) fn new(
        line: u64,
        reason: impl Into<Cow<'static, str>>,
        message: impl fmt::Display,
    ) -> Self {
        let mut message = message.to_string().replace(['\n', '\r'], " ");
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self {
            line,
            reason: reason.into(),
            message,
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.reason, self.message)
    }
}

/// Why a line is bad, before its number is known to whoever finds it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    pub(super) fn at(self, line: u64) -> Bad {
        Bad::new(line, self.reason, self.message)
    }
}
