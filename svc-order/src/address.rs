//! Where an order is sent. Personal data: it never shows itself in a log.

use std::fmt;

use serde::{Deserialize, Serialize};
use svc_kit::error::Invalid;

/// The most characters of one field.
pub const MAX_FIELD_CHARS: usize = 100;

/// The most characters of a postal code.
pub const MAX_POSTAL_CODE_CHARS: usize = 20;

/// The most lines of street, house number and floor.
pub const MAX_LINES: usize = 3;

/// A postal address that was checked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Who receives it.
    pub recipient: String,
    /// Street, house number, floor.
    pub address_lines: Vec<String>,
    /// City or village.
    pub locality: String,
    /// State or province; empty where there is none.
    pub administrative_area: String,
    /// Empty where there is none.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub region_code: String,
}

impl Address {
    /// The address with blanks around its fields removed, when all of it can
    /// be written on a parcel. `field` is where it stands in the request.
    ///
    /// # Errors
    /// [`Invalid`] with the path of the first field that cannot be used.
    pub fn checked(mut self, field: &str) -> Result<Self, Invalid> {
        for text in [
            &mut self.recipient,
            &mut self.locality,
            &mut self.administrative_area,
            &mut self.postal_code,
        ]
        .into_iter()
        .chain(&mut self.address_lines)
        {
            if text.trim().len() != text.len() {
                *text = text.trim().to_owned();
            }
        }
        let path = |name: &str| format!("{field}.{name}");
        text(&path("recipient"), &self.recipient, 1, MAX_FIELD_CHARS)?;
        if self.address_lines.is_empty() || self.address_lines.len() > MAX_LINES {
            return Err(Invalid::new(
                path("address_lines"),
                format!("must have one to {MAX_LINES} lines"),
            ));
        }
        for line in &self.address_lines {
            text(&path("address_lines"), line, 1, MAX_FIELD_CHARS)?;
        }
        text(&path("locality"), &self.locality, 1, MAX_FIELD_CHARS)?;
        text(
            &path("administrative_area"),
            &self.administrative_area,
            0,
            MAX_FIELD_CHARS,
        )?;
        text(
            &path("postal_code"),
            &self.postal_code,
            0,
            MAX_POSTAL_CODE_CHARS,
        )?;
        if self.region_code.len() != 2 || !self.region_code.bytes().all(|b| b.is_ascii_uppercase())
        {
            return Err(Invalid::new(
                path("region_code"),
                "must be two upper-case letters of ISO 3166-1",
            ));
        }
        Ok(self)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("region_code", &self.region_code)
            .finish_non_exhaustive()
    }
}

/// Whether a text has so many characters and none that controls a terminal.
///
/// # Errors
/// [`Invalid`] with the field's name.
pub fn text(field: &str, text: &str, min: usize, max: usize) -> Result<(), Invalid> {
    let chars = text.chars().count();
    if chars < min {
        return Err(Invalid::new(field, "must not be empty"));
    }
    if chars > max {
        return Err(Invalid::new(
            field,
            format!("must not have more than {max} characters"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, "must not have control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address {
            recipient: " Ada Lovelace ".to_owned(),
            address_lines: vec!["Dorset Street 1".to_owned()],
            locality: "London".to_owned(),
            administrative_area: String::new(),
            postal_code: "W1U 4EE".to_owned(),
            region_code: "GB".to_owned(),
        }
    }

    fn refused(address: Address) -> String {
        address.checked("shipping_address").unwrap_err().field
    }

    #[test]
    fn blanks_around_fields_are_removed() {
        assert_eq!(address().checked("a").unwrap().recipient, "Ada Lovelace");
    }

    #[test]
    fn the_field_that_cannot_be_used_is_named() {
        assert_eq!(
            refused(Address {
                recipient: "  ".into(),
                ..address()
            }),
            "shipping_address.recipient"
        );
        assert_eq!(
            refused(Address {
                locality: "a\u{7}".into(),
                ..address()
            }),
            "shipping_address.locality"
        );
        assert_eq!(
            refused(Address {
                region_code: "gb".into(),
                ..address()
            }),
            "shipping_address.region_code"
        );
        assert_eq!(
            refused(Address {
                region_code: "Gbr".into(),
                ..address()
            }),
            "shipping_address.region_code"
        );
        let lines = |n: usize| vec!["x".to_owned(); n];
        assert_eq!(
            refused(Address {
                address_lines: lines(0),
                ..address()
            }),
            "shipping_address.address_lines"
        );
        assert_eq!(
            refused(Address {
                address_lines: lines(4),
                ..address()
            }),
            "shipping_address.address_lines"
        );
        assert_eq!(
            refused(Address {
                postal_code: "1".repeat(21),
                ..address()
            }),
            "shipping_address.postal_code"
        );
    }

    #[test]
    fn an_address_does_not_show_itself() {
        assert!(!format!("{:?}", address()).contains("Ada"));
    }
}
