//! Text that people typed: what may stand in one line of it, and how long it
//! may be. Knows no field by name.

use svc_kit::error::Invalid;
use unicode_normalization::UnicodeNormalization as _;

/// One line of text in Unicode's NFC, without space around it: the same
/// characters are the same bytes, whichever keyboard they came from. Lengths
/// are in characters.
///
/// # Errors
/// [`Invalid`] for control characters, for characters that turn the direction
/// of the text around them, for text that shows nothing, and for a length out
/// of bounds.
pub fn line(field: &str, value: &str, at_least: usize, at_most: usize) -> Result<String, Invalid> {
    let too_long = || Invalid::new(field, format!("must have at most {at_most} characters"));
    // Composing only ever shortens it, but for a few singletons that decompose
    // into at most three characters; so this bounds the work.
    if value.chars().count() > at_most.saturating_mul(4) {
        return Err(too_long());
    }
    let text: String = value.trim().nfc().collect();
    if text.chars().any(is_control) {
        return Err(Invalid::new(
            field,
            "must not contain control characters or line breaks",
        ));
    }
    let length = text.chars().count();
    if length > at_most {
        return Err(too_long());
    }
    if at_least > 0 && (text.is_empty() || text.chars().all(is_invisible)) {
        return Err(Invalid::new(field, "must not be empty"));
    }
    if length < at_least {
        return Err(Invalid::new(
            field,
            format!("must have at least {at_least} characters"),
        ));
    }
    Ok(text)
}

/// Control characters, line separators and the overrides of direction.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Spaces and the characters that Unicode tells programs not to draw.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}'
                | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(value: &str) -> Result<String, Invalid> {
        line("name", value, 1, 10)
    }

    #[test]
    fn the_same_characters_are_the_same_bytes() {
        assert_eq!(name("Jose\u{301}").unwrap(), name("José").unwrap());
    }

    #[test]
    fn space_around_it_is_dropped() {
        assert_eq!(name("  Ada ").unwrap(), "Ada");
    }

    #[test]
    fn what_shows_nothing_is_empty() {
        for value in ["", "   ", "\u{200B}\u{FEFF}", "\u{3164}", "\u{3000}"] {
            assert_eq!(name(value).unwrap_err().message, "must not be empty");
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for value in ["a\0b", "a\nb", "a\u{85}b", "a\u{202E}b", "a\u{2028}b"] {
            assert!(name(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_length_is_in_characters() {
        assert!(name(&"ü".repeat(10)).is_ok());
        assert!(name(&"ü".repeat(11)).is_err());
        assert!(name(&"u\u{308}".repeat(10)).is_ok());
    }
}
