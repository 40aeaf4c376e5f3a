//! Parts of a stored whole. One range is served; of several, the whole is.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-14>

use std::ops::Range;

use http::{HeaderMap, header::RANGE};

/// What a request asks for of a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it, also when what it asks for cannot be read.
    Whole,
    /// These bytes.
    Bytes(Range<usize>),
    /// Nothing that there is.
    Unsatisfiable,
}

impl Part {
    /// Reads a request for a whole of so many bytes.
    pub fn of(request: &HeaderMap, length: usize) -> Self {
        let mut lines = request.get_all(RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Self::Whole;
        };
        line.to_str()
            .ok()
            .and_then(|line| parse(line, length))
            .unwrap_or(Self::Whole)
    }
}

fn parse(line: &str, length: usize) -> Option<Part> {
    let (unit, spec) = line.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    let bytes = match (number(first), number(last)) {
        (Some(first), Some(last)) if last >= first => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return None,
    };
    Some(if bytes.is_empty() {
        Part::Unsatisfiable
    } else {
        Part::Bytes(bytes)
    })
}

/// A number too large to count is the largest.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn part(range: &'static str) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static(range));
        Part::of(&headers, 10)
    }

    #[test]
    fn one_range_is_cut_to_what_there_is() {
        assert_eq!(part("bytes=0-0"), Part::Bytes(0..1));
        assert_eq!(part("bytes=2-5"), Part::Bytes(2..6));
        assert_eq!(part("Bytes=2-"), Part::Bytes(2..10));
        assert_eq!(part("bytes=-3"), Part::Bytes(7..10));
        assert_eq!(part("bytes=-30"), Part::Bytes(0..10));
        assert_eq!(part("bytes=9-99999999999999999999999"), Part::Bytes(9..10));
    }

    #[test]
    fn what_there_is_not_cannot_be_served() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(part(range), Part::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn what_makes_no_sense_or_is_several_is_the_whole() {
        for range in [
            "bytes=5-2",
            "bytes=a-b",
            "bytes=-",
            "items=0-1",
            "bytes=0-1,3-4",
            "0-1",
        ] {
            assert_eq!(part(range), Part::Whole, "{range}");
        }
    }
}
