//! Passwords and what is kept of them.

use std::fmt;

use svc_kit::error::Invalid;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// The shortest password, in characters (NIST SP 800-63B §5.1.1.2).
pub const PASSWORD_MIN: usize = 8;

/// The longest password, in characters: bounds the work, not the strength.
pub const PASSWORD_MAX: usize = 256;

/// A password in the form that is hashed: wiped when dropped, and it does not
/// show itself.
///
/// The form is that of RFC 8265's OpaqueString: other spaces become the
/// ordinary one, then NFC; case and everything else stay. So the same password
/// typed on another device is the same bytes.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`Invalid`] when it is too short or too long, or contains control
    /// characters.
    pub fn parse(field: &str, value: String) -> Result<Self, Invalid> {
        let value = Zeroizing::new(value);
        let length = value.chars().count();
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&length) {
            return Err(Invalid::new(
                field,
                format!("must have {PASSWORD_MIN} to {PASSWORD_MAX} characters"),
            ));
        }
        if value.chars().any(char::is_control) {
            return Err(Invalid::new(field, "must not contain control characters"));
        }
        // Reserved at once: growing would leave copies behind.
        let mut normal = Zeroizing::new(String::with_capacity(value.len() * 3));
        normal.extend(
            value
                .chars()
                .map(|c| if c.is_whitespace() { ' ' } else { c })
                .nfc(),
        );
        Ok(Self(normal))
    }

    /// The bytes to hash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A PHC string: algorithm, parameters, salt and hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a PHC string.
    pub(crate) fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Password, Invalid> {
        Password::parse("password", value.to_owned())
    }

    #[test]
    fn the_same_password_is_the_same_bytes() {
        let composed = parse("pässwörd\u{A0}1").unwrap();
        let decomposed = parse("pa\u{308}sswo\u{308}rd 1").unwrap();
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
    }

    #[test]
    fn a_length_is_in_characters() {
        assert!(parse("üüüüüüü").is_err());
        assert!(parse("üüüüüüüü").is_ok());
        assert!(parse(&"x".repeat(PASSWORD_MAX)).is_ok());
        assert!(parse(&"x".repeat(PASSWORD_MAX + 1)).is_err());
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert!(parse("correct\0horse").is_err());
    }

    #[test]
    fn a_password_does_not_show_itself() {
        assert_eq!(
            format!("{:?}", parse("correct horse").unwrap()),
            "[redacted]"
        );
    }
}
