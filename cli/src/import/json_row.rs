//! A row of a JSONL file.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::bad::Refusal;
use super::field::{Field, Fields};

/// Reads one line. Numbers keep their text.
pub(super) fn parse(line: &[u8]) -> Result<Fields, Refusal> {
    let text =
        std::str::from_utf8(line).map_err(|error| Refusal::new("NOT_UTF8", error.to_string()))?;
    let row: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() && !text.trim_start().starts_with('{') {
            Refusal::new("NOT_AN_OBJECT", "the line is JSON, but no object")
        } else {
            not_json(&error)
        }
    })?;
    row.into_iter()
        .filter(|(_, value)| value.get() != "null")
        .map(|(name, value)| Ok((name, field(value.get())?)))
        .collect()
}

fn field(raw: &str) -> Result<Field, Refusal> {
    Ok(match raw.as_bytes().first() {
        Some(b'"') => Field::Text(serde_json::from_str(raw).map_err(|error| not_json(&error))?),
        Some(b't') => Field::Bool(true),
        Some(b'f') => Field::Bool(false),
        Some(b'{') => Field::Unfit("an object"),
        Some(b'[') => serde_json::from_str(raw).map_or(
            Field::Unfit("a list of something else than strings"),
            Field::List,
        ),
        _ => Field::Number(raw.to_owned()),
    })
}

/// The parser's words without its own count of lines, which starts at ours.
fn not_json(error: &serde_json::Error) -> Refusal {
    let words = error.to_string();
    Refusal::new(
        "NOT_JSON",
        words.replace(" at line 1 column ", " at column "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(line: &[u8]) -> &'static str {
        parse(line).unwrap_err().reason
    }

    #[test]
    fn numbers_keep_their_text() {
        let fields = parse(br#"{"price": 1.10, "n": null, "tags": ["a", "b"]}"#).unwrap();
        assert_eq!(
            fields,
            [
                ("price".to_owned(), Field::Number("1.10".to_owned())),
                (
                    "tags".to_owned(),
                    Field::List(vec!["a".to_owned(), "b".to_owned()])
                ),
            ]
        );
    }

    #[test]
    fn what_is_no_row_is_told_apart() {
        assert_eq!(reason(b"{\"name\": "), "NOT_JSON");
        assert_eq!(reason(b"hello"), "NOT_JSON");
        assert_eq!(reason(b"[1, 2]"), "NOT_AN_OBJECT");
        assert_eq!(reason(b"{\"name\": \"\xff\"}"), "NOT_UTF8");
        assert_eq!(reason(b"{} {}"), "NOT_JSON");
    }
}
