//! The contact: whom an account's messages go to.

use std::fmt;

use svc_kit::{error::Invalid, id::AccountId};

/// The most characters of a name that are written into a mail.
pub const MAX_NAME_CHARS: usize = 80;

/// The longest address that is kept, in bytes (RFC 5321: 64 + 1 + 255).
pub const MAX_EMAIL_LEN: usize = 320;

/// Whom an account's messages go to. It shows no personal data in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Whose.
    pub account_id: AccountId,
    /// The address, as the account has it.
    pub email: String,
    /// One line without control characters; empty when there is no name.
    pub display_name: String,
}

impl Contact {
    /// A contact as it was registered. Of the name only what fits on one line
    /// of a mail is kept.
    ///
    /// # Errors
    /// [`Invalid`] for an address that cannot be one; whether mail arrives
    /// there is for the mail server to say.
    pub fn new(account_id: AccountId, email: String, name: &str) -> Result<Self, Invalid> {
        if email.is_empty() || email.len() > MAX_EMAIL_LEN || email.contains(char::is_control) {
            return Err(Invalid::new("email", "must be an address"));
        }
        Ok(Self {
            account_id,
            email,
            display_name: one_line(name),
        })
    }
}

/// What is left of a name when nobody can break a line or turn the text around
/// with it.
pub(crate) fn one_line(name: &str) -> String {
    let harmless: String = name
        .chars()
        .map(|c| {
            if c.is_control() || is_line_separator(c) {
                ' '
            } else {
                c
            }
        })
        .filter(|c| !is_bidi_control(*c))
        .collect();
    let words: Vec<_> = harmless.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .take(MAX_NAME_CHARS)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Unicode's explicit directional formatting characters (UAX #9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn named(name: &str) -> String {
        let account_id = AccountId(Uuid::nil());
        Contact::new(account_id, "a@example.com".to_owned(), name)
            .unwrap()
            .display_name
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(
            named("Eve\r\nBcc: all@example.com"),
            "Eve Bcc: all@example.com"
        );
        assert_eq!(named("  Ana \t\0 María\u{2028}Ñu  "), "Ana María Ñu");
        assert_eq!(named("\u{202e}gnp.exe"), "gnp.exe");
        assert_eq!(named("\r\n"), "");
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(named(&"ß".repeat(10_000)).chars().count(), MAX_NAME_CHARS);
    }

    #[test]
    fn an_address_has_no_control_characters() {
        for email in ["", "a@example.com\r\nBcc: b@example.com", &"a".repeat(321)] {
            assert!(Contact::new(AccountId(Uuid::nil()), email.to_owned(), "").is_err());
        }
    }
}
