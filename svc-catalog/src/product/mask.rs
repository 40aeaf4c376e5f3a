//! Which fields an update changes. It never looks at their values.

use std::collections::HashSet;

use crate::violation::Violation;

/// The most different paths of a mask; there are fewer fields than that.
const MAX_PATHS: usize = 10;
/// How much of a path that cannot be used is said again, in characters.
const MAX_QUOTED_CHARS: usize = 40;

/// A field that can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Title,
    Description,
    CategoryId,
    Price,
    Attributes,
    Images,
    PurchaseLimit,
}

impl Field {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "title" => Self::Title,
            "description" => Self::Description,
            "category_id" => Self::CategoryId,
            "price" => Self::Price,
            "attributes" => Self::Attributes,
            "images" => Self::Images,
            "purchase_limit" => Self::PurchaseLimit,
            _ => return None,
        })
    }
}

/// The fields that an update changes: at least one, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<Field>);

impl Mask {
    /// Reads the paths of a mask. A path that is repeated counts once.
    ///
    /// # Errors
    /// `MASK_INVALID` for no path, for too many, and once for each different
    /// path that cannot be changed.
    pub fn new(paths: &[String]) -> Result<Self, Vec<Violation>> {
        let mut seen = HashSet::new();
        let distinct: Vec<&str> = paths
            .iter()
            .map(String::as_str)
            .filter(|path| seen.insert(*path))
            .collect();
        if distinct.is_empty() {
            return Err(vec![invalid("must name what changes")]);
        }
        if distinct.len() > MAX_PATHS {
            return Err(vec![invalid(format!(
                "must not name more than {MAX_PATHS} fields"
            ))]);
        }
        let mut fields = Vec::new();
        let mut violations = Vec::new();
        for path in distinct {
            match Field::at(path) {
                Some(field) => fields.push(field),
                None => violations.push(unknown(path)),
            }
        }
        if violations.is_empty() {
            Ok(Self(fields))
        } else {
            Err(violations)
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        self.0.iter().copied()
    }
}

fn unknown(path: &str) -> Violation {
    let quoted: String = path.chars().take(MAX_QUOTED_CHARS).collect();
    invalid(format!(
        "must not name '{quoted}', only title, description, category_id, price, attributes, images, purchase_limit"
    ))
}

fn invalid(message: impl Into<String>) -> Violation {
    Violation::new("update_mask", "MASK_INVALID", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> Result<Mask, Vec<Violation>> {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        Mask::new(&paths)
    }

    #[test]
    fn a_field_that_is_named_twice_is_changed_once() {
        assert_eq!(
            mask(&["title", "price", "title"]).unwrap(),
            Mask(vec![Field::Title, Field::Price])
        );
    }

    #[test]
    fn each_path_that_cannot_be_changed_is_said_once() {
        let violations = mask(&["sku", "title", "price.units", "sku"]).unwrap_err();
        assert_eq!(violations.len(), 2);
        assert!(violations[0].message.contains("'sku'"));
        assert!(violations[1].message.contains("'price.units'"));
        assert!(
            violations
                .iter()
                .all(|v| (v.field, v.reason) == ("update_mask", "MASK_INVALID"))
        );
    }

    #[test]
    fn a_mask_of_nothing_or_of_too_much_is_refused() {
        assert_eq!(mask(&[]).unwrap_err().len(), 1);
        let many: Vec<String> = (0..=MAX_PATHS).map(|n| n.to_string()).collect();
        assert_eq!(Mask::new(&many).unwrap_err().len(), 1);
        let long = mask(&[&"x".repeat(10_000)]).unwrap_err();
        assert!(long[0].message.len() < 200);
    }
}
