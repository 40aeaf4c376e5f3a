//! The free fields of a product: strings, numbers, booleans and lists of
//! strings, within limits. And the terms by which they are filtered and
//! counted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// The most attributes.
pub const MAX_ATTRIBUTES: usize = 50;
/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// The longest text, in characters.
pub const MAX_VALUE_CHARS: usize = 1000;
/// The longest list.
pub const MAX_LIST: usize = 50;
/// All of them together, as JSON, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Longer texts are kept but cannot be filtered, in characters.
pub const MAX_TERM_CHARS: usize = 100;

/// Stands between name and value in a term; no name and no value has it.
const SEPARATOR: char = '\u{1f}';

/// Attributes that keep the limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Map<String, Value>);

/// Which limit is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// Too many.
    #[error("must not be more than {MAX_ATTRIBUTES}")]
    TooMany,
    /// Too much.
    #[error("must not be larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A name that cannot be one.
    #[error(
        "need names of 1 to {MAX_NAME_CHARS} characters without blanks around them and without control characters"
    )]
    Name,
    /// A value of another type.
    #[error("may be strings, numbers, booleans and lists of strings")]
    Type,
    /// A number that is none.
    #[error("must not hold infinite numbers")]
    Number,
    /// A text that is too long or cannot be kept.
    #[error("hold texts of up to {MAX_VALUE_CHARS} characters, without NUL")]
    Text,
    /// A list that is too long.
    #[error("hold lists of up to {MAX_LIST} texts")]
    List,
}

impl Attributes {
    /// Checks the limits.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn new(map: Map<String, Value>) -> Result<Self, AttributesError> {
        if map.len() > MAX_ATTRIBUTES {
            return Err(AttributesError::TooMany);
        }
        for (name, value) in &map {
            check_name(name)?;
            check_value(value)?;
        }
        let attributes = Self(map);
        // Serializing strings and numbers cannot fail.
        if serde_json::to_vec(&attributes).is_ok_and(|json| json.len() > MAX_BYTES) {
            return Err(AttributesError::TooLarge);
        }
        Ok(attributes)
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// As it is kept.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// From where it is kept; `None` when it is no object.
    pub fn from_json(json: Value) -> Option<Self> {
        match json {
            Value::Object(map) => Some(Self(map)),
            _ => None,
        }
    }

    /// One term for each value that can be filtered.
    pub fn terms(&self) -> Vec<String> {
        let mut terms: Vec<String> = self
            .0
            .iter()
            .flat_map(|(name, value)| texts(value).into_iter().map(move |text| (name, text)))
            .filter(|(_, text)| text.chars().count() <= MAX_TERM_CHARS && !text.contains(SEPARATOR))
            .map(|(name, text)| term(name, &text))
            .collect();
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// The texts in which words are searched.
    pub fn texts(&self) -> Vec<String> {
        self.0
            .values()
            .filter(|value| !matches!(value, Value::Number(_) | Value::Bool(_)))
            .flat_map(texts)
            .collect()
    }
}

/// The term of a name and a value.
pub fn term(name: &str, value: &str) -> String {
    format!("{name}{SEPARATOR}{value}")
}

/// Name and value of a term.
pub fn split_term(term: &str) -> Option<(&str, &str)> {
    term.split_once(SEPARATOR)
}

/// The number as JSON has it: a whole one without a fraction, so that what is
/// kept equals what came in.
///
/// # Errors
/// `Number` when it is infinite or none.
pub fn number(value: f64) -> Result<Value, AttributesError> {
    /// Up to here a float holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
        return Ok(Value::from(value as i64));
    }
    Number::from_f64(value)
        .map(Value::Number)
        .ok_or(AttributesError::Number)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![flag.to_string()],
        Value::Array(list) => list
            .iter()
            .filter_map(|item| item.as_str().map(ToOwned::to_owned))
            .collect(),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

fn check_name(name: &str) -> Result<(), AttributesError> {
    let chars = name.chars().count();
    if chars == 0
        || chars > MAX_NAME_CHARS
        || name.contains(char::is_control)
        || name.trim() != name
    {
        return Err(AttributesError::Name);
    }
    Ok(())
}

fn check_value(value: &Value) -> Result<(), AttributesError> {
    match value {
        Value::String(text) => check_text(text),
        Value::Number(_) | Value::Bool(_) => Ok(()),
        Value::Array(list) if list.len() > MAX_LIST => Err(AttributesError::List),
        Value::Array(list) => list.iter().try_for_each(|item| match item {
            Value::String(text) => check_text(text),
            _ => Err(AttributesError::Type),
        }),
        Value::Null | Value::Object(_) => Err(AttributesError::Type),
    }
}

fn check_text(text: &str) -> Result<(), AttributesError> {
    if text.contains('\0') || text.chars().count() > MAX_VALUE_CHARS {
        return Err(AttributesError::Text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attributes(json: Value) -> Result<Attributes, AttributesError> {
        match json {
            Value::Object(map) => Attributes::new(map),
            _ => panic!("an object is needed"),
        }
    }

    #[test]
    fn every_value_becomes_a_term() {
        let attributes = attributes(json!({
            "style": "backpack", "litres": 42, "sale": true, "colours": ["red", "blue", "red"],
            "story": "x".repeat(MAX_TERM_CHARS + 1),
        }))
        .unwrap();
        let terms = attributes.terms();
        let split: Vec<_> = terms.iter().map(|term| split_term(term).unwrap()).collect();
        assert_eq!(
            split,
            [
                ("colours", "blue"),
                ("colours", "red"),
                ("litres", "42"),
                ("sale", "true"),
                ("style", "backpack")
            ]
        );
    }

    #[test]
    fn what_breaks_a_limit_is_refused() {
        let many: Map<String, Value> = (0..=MAX_ATTRIBUTES)
            .map(|n| (n.to_string(), json!(n)))
            .collect();
        let large: Map<String, Value> = (0..20)
            .map(|n| (n.to_string(), json!("x".repeat(MAX_VALUE_CHARS))))
            .collect();
        for (bad, error) in [
            (json!({"": 1}), AttributesError::Name),
            (json!({"a\u{1f}b": 1}), AttributesError::Name),
            (json!({"a": null}), AttributesError::Type),
            (json!({"a": {"b": 1}}), AttributesError::Type),
            (json!({"a": [1]}), AttributesError::Type),
            (json!({"a": "x\u{0}"}), AttributesError::Text),
            (
                json!({"a": ["x".repeat(MAX_VALUE_CHARS + 1)]}),
                AttributesError::Text,
            ),
            (json!({"a": vec!["x"; MAX_LIST + 1]}), AttributesError::List),
            (Value::Object(many), AttributesError::TooMany),
            (Value::Object(large), AttributesError::TooLarge),
        ] {
            assert_eq!(attributes(bad), Err(error));
        }
    }

    #[test]
    fn a_whole_number_has_no_fraction() {
        assert_eq!(number(42.0), Ok(json!(42)));
        assert_eq!(number(-0.0), Ok(json!(0)));
        assert_eq!(number(0.5), Ok(json!(0.5)));
        assert_eq!(number(f64::NAN), Err(AttributesError::Number));
        assert_eq!(number(f64::INFINITY), Err(AttributesError::Number));
    }
}
