//! An address of an account's book, and the rules of the book.

use std::fmt;

use svc_kit::error::Invalid;

use crate::text;

svc_kit::id!(
    /// An address in a book.
    pub struct AddressId
);

/// The most addresses that one account keeps.
pub const ADDRESSES_MAX: i64 = 50;

/// The longest label, in characters.
pub const LABEL_MAX: usize = 50;

/// The longest recipient, in characters.
pub const RECIPIENT_MAX: usize = 100;

/// The most lines between recipient and locality.
pub const LINES_MAX: usize = 3;

/// The longest of those lines, in characters.
pub const LINE_MAX: usize = 200;

/// The longest locality or administrative area, in characters.
pub const AREA_MAX: usize = 100;

/// The longest postal code, in characters.
pub const POSTAL_CODE_MAX: usize = 20;

/// What the owner wrote; it does not show itself in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The owner's own name for it; may be empty.
    pub label: String,
    /// Who receives the parcel.
    pub recipient: String,
    /// Street, house number, floor; one to three lines.
    pub lines: Vec<String>,
    /// City or village.
    pub locality: String,
    /// State or province; empty where there is none.
    pub administrative_area: String,
    /// Empty where there is none.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub region_code: String,
}

impl Entry {
    /// Checks and normalizes it; `field` is where the address stands in the
    /// request.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(self) -> Result<Self, Vec<Invalid>> {
        let mut violations = Vec::new();
        let mut line = |field: &str, value: &str, at_least, at_most| {
            text::line(field, value, at_least, at_most)
                .map_err(|invalid| violations.push(invalid))
                .unwrap_or_default()
        };
        let checked = Self {
            label: line("address.label", &self.label, 0, LABEL_MAX),
            recipient: line(
                "address.address.recipient",
                &self.recipient,
                1,
                RECIPIENT_MAX,
            ),
            lines: self
                .lines
                .iter()
                .take(LINES_MAX)
                .map(|value| line("address.address.address_lines", value, 1, LINE_MAX))
                .collect(),
            locality: line("address.address.locality", &self.locality, 1, AREA_MAX),
            administrative_area: line(
                "address.address.administrative_area",
                &self.administrative_area,
                0,
                AREA_MAX,
            ),
            postal_code: line(
                "address.address.postal_code",
                &self.postal_code,
                0,
                POSTAL_CODE_MAX,
            ),
            region_code: self.region_code,
        };
        if self.lines.is_empty() || self.lines.len() > LINES_MAX {
            violations.push(Invalid::new(
                "address.address.address_lines",
                format!("must have one to {LINES_MAX} lines"),
            ));
        }
        if !is_region(&checked.region_code) {
            violations.push(Invalid::new(
                "address.address.region_code",
                "must be two upper-case letters such as DE",
            ));
        }
        if violations.is_empty() {
            Ok(checked)
        } else {
            Err(violations)
        }
    }
}

fn is_region(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("region_code", &self.region_code)
            .finish_non_exhaustive()
    }
}

/// An address in a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedAddress {
    /// Never changes.
    pub id: AddressId,
    /// What the owner wrote.
    pub entry: Entry,
    /// The one that a checkout starts with. A book that is not empty has
    /// exactly one.
    pub is_default: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            label: "home".to_owned(),
            recipient: "Ada Lovelace".to_owned(),
            lines: vec!["12 St James's Square".to_owned()],
            locality: "London".to_owned(),
            administrative_area: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            region_code: "GB".to_owned(),
        }
    }

    fn fields(entry: Entry) -> Vec<String> {
        entry
            .check()
            .err()
            .into_iter()
            .flatten()
            .map(|invalid| invalid.field)
            .collect()
    }

    #[test]
    fn a_good_address_stays_as_it_is() {
        assert_eq!(entry().check(), Ok(entry()));
    }

    #[test]
    fn each_bad_field_is_named() {
        let bad = Entry {
            recipient: String::new(),
            locality: "x".repeat(AREA_MAX + 1),
            region_code: "gb".to_owned(),
            ..entry()
        };
        assert_eq!(
            fields(bad),
            [
                "address.address.recipient",
                "address.address.locality",
                "address.address.region_code"
            ]
        );
    }

    #[test]
    fn an_address_has_one_to_three_lines() {
        for count in [0, 4] {
            let bad = Entry {
                lines: vec!["line".to_owned(); count],
                ..entry()
            };
            assert_eq!(fields(bad), ["address.address.address_lines"]);
        }
    }

    #[test]
    fn a_region_is_two_upper_case_letters() {
        for code in ["", "D", "DEU", "D1", "ÄÖ", "De"] {
            assert!(!is_region(code), "{code}");
        }
    }
}
