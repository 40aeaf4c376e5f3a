//! An e-mail address in its canonical form.
//!
//! The shape is that of HTML's `input type=email`, with a domain of at least
//! two labels: ASCII alone, without quotes or comments. A domain in another
//! script is written in its `xn--` form. Both halves are lower-cased: no
//! mailbox provider of note tells `Ada@` from `ada@`, and two accounts for one
//! mailbox help nobody but an impostor.

use std::fmt;

use svc_kit::error::Invalid;

/// The longest address, in characters (RFC 5321 §4.5.3.1.3, less its brackets).
pub const EMAIL_MAX: usize = 254;

/// The longest part before the `@` (RFC 5321 §4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// The longest label of a domain (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;

/// A canonical e-mail address; it does not show itself in `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`Invalid`] when it is too long or has not the shape of an address.
    pub fn parse(field: &str, value: &str) -> Result<Self, Invalid> {
        let value = value.trim();
        if value.is_empty() {
            return Err(Invalid::new(field, "must not be empty"));
        }
        if value.len() > EMAIL_MAX {
            return Err(Invalid::new(
                field,
                format!("must have at most {EMAIL_MAX} characters"),
            ));
        }
        match value.rsplit_once('@') {
            Some((local, domain)) if is_local(local) && is_domain(domain) => {
                Ok(Self(value.to_ascii_lowercase()))
            }
            _ => Err(Invalid::new(
                field,
                "must be an e-mail address such as ada@example.com",
            )),
        }
    }

    /// Takes an address that was checked when it was stored.
    pub(crate) fn stored(value: String) -> Self {
        Self(value)
    }

    /// The address itself: personal data.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(local: &str) -> bool {
    local.len() <= LOCAL_MAX
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
        })
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(value: &str) -> Option<String> {
        Email::parse("email", value)
            .ok()
            .map(|email| email.as_str().to_owned())
    }

    #[test]
    fn one_mailbox_has_one_form() {
        assert_eq!(
            canonical(" Ada.Lovelace+Souk@Example.COM "),
            Some("ada.lovelace+souk@example.com".to_owned())
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(LOCAL_MAX + 1));
        for value in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@-example.com",
            "ada@example..com",
            "a da@example.com",
            "ada@exam ple.com",
            ".ada@example.com",
            "ada@lovelace@example.com",
            "ada@example.com\r\nBcc: all@example.com",
            "ada\0@example.com",
            "ädä@example.com",
            "ada@exämple.com",
            "\"a b\"@example.com",
            &long,
        ] {
            assert_eq!(canonical(value), None, "{value:?}");
        }
    }

    #[test]
    fn an_address_does_not_show_itself() {
        let email = Email::parse("email", "ada@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "[redacted]");
    }
}
