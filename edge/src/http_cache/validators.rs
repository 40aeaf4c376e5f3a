//! Whether a caller has an answer already, and how the origin is asked whether
//! a kept one is still good.
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13>

use http::{
    HeaderMap, HeaderValue,
    header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED},
};

use super::date;

/// A date is a strong validator only when it was this old as the answer was
/// made: the content may change twice within a second, and clocks differ.
const STRONG_DATE_MS: i64 = 60_000;

/// What tells versions of an answer apart.
#[derive(Debug, Clone, Default)]
pub struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
    last_modified_ms: Option<i64>,
    /// When the answer was made.
    date_ms: i64,
}

impl Validators {
    /// Reads an answer's headers.
    pub fn of(headers: &HeaderMap, date_ms: i64) -> Self {
        let etag = headers.get(ETAG).filter(|value| is_etag(value.as_bytes()));
        let last_modified = headers.get(LAST_MODIFIED);
        let last_modified_ms = last_modified.and_then(date::parse);
        Self {
            etag: etag.cloned(),
            last_modified: last_modified
                .filter(|_| last_modified_ms.is_some())
                .cloned(),
            last_modified_ms,
            date_ms,
        }
    }

    /// Whether the origin can be asked about it.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// The headers that ask the origin whether it is still good.
    pub fn conditions(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(etag) = &self.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        if let Some(date) = &self.last_modified {
            headers.insert(IF_MODIFIED_SINCE, date.clone());
        }
        headers
    }

    /// Whether a 304 with these headers can speak of it (RFC 9111, section
    /// 4.3.4). Many origins leave `Last-Modified` out of a 304: one without any
    /// validator speaks of what it was asked about.
    pub fn is_meant(&self, not_modified: &HeaderMap) -> bool {
        if let Some(etag) = not_modified.get(ETAG) {
            return self
                .etag
                .as_ref()
                .is_some_and(|ours| weakly_equal(ours, etag));
        }
        not_modified.get(LAST_MODIFIED).is_none_or(|date| {
            date::parse(date).is_some_and(|date| self.last_modified_ms == Some(date))
        })
    }

    /// Whether the caller has it already (RFC 9111, section 4.3.2).
    pub fn is_known(&self, request: &HeaderMap) -> bool {
        if request.contains_key(IF_NONE_MATCH) {
            return request.get_all(IF_NONE_MATCH).iter().any(|line| {
                let line = line.as_bytes();
                line.trim_ascii() == b"*"
                    || self
                        .etag
                        .as_ref()
                        .is_some_and(|ours| names(line, opaque(ours)))
            });
        }
        let Some(since) = request.get(IF_MODIFIED_SINCE).and_then(date::parse) else {
            return false;
        };
        self.last_modified_ms.unwrap_or(self.date_ms) <= since
    }

    /// Whether `If-Range` lets a part be served; without it, a part may be.
    pub fn lets_part(&self, request: &HeaderMap) -> bool {
        let Some(condition) = request.get(IF_RANGE) else {
            return true;
        };
        if is_etag(condition.as_bytes()) {
            // Strong comparison: neither is weak.
            return self.etag.as_ref() == Some(condition) && condition.as_bytes()[0] == b'"';
        }
        date::parse(condition).is_some_and(|date| {
            self.last_modified_ms == Some(date) && self.date_ms - date >= STRONG_DATE_MS
        })
    }
}

fn is_etag(value: &[u8]) -> bool {
    let tag = value.strip_prefix(b"W/").unwrap_or(value);
    tag.len() >= 2
        && tag[0] == b'"'
        && tag.iter().skip(1).position(|b| *b == b'"') == Some(tag.len() - 2)
}

/// An entity tag without its mark of weakness.
fn opaque(etag: &HeaderValue) -> &[u8] {
    let etag = etag.as_bytes();
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

fn weakly_equal(one: &HeaderValue, other: &HeaderValue) -> bool {
    opaque(one) == opaque(other)
}

/// Whether a list of entity tags names this one, weakly compared. A comma may
/// stand in a tag.
fn names(mut list: &[u8], tag: &[u8]) -> bool {
    while let Some(start) = list.iter().position(|byte| *byte == b'"') {
        let Some(length) = list[start + 1..].iter().position(|byte| *byte == b'"') else {
            return false;
        };
        let end = start + length + 2;
        if &list[start..end] == tag {
            return true;
        }
        list = &list[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn kept(lines: &[(&'static str, &'static str)]) -> Validators {
        Validators::of(&headers(lines), 784_111_777_000 + 60_000)
    }

    #[test]
    fn a_caller_who_has_it_is_told_so() {
        let kept = kept(&[("etag", "\"a,b\""), ("last-modified", DAY)]);
        for known in [
            ("if-none-match", "*"),
            ("if-none-match", "\"x\", W/\"a,b\""),
            ("if-modified-since", DAY),
        ] {
            assert!(kept.is_known(&headers(&[known])), "{known:?}");
        }
        for unknown in [
            ("if-none-match", "\"a\""),
            ("if-none-match", "\"a,b"),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT"),
            ("if-modified-since", "yesterday"),
            ("accept", "*/*"),
        ] {
            assert!(!kept.is_known(&headers(&[unknown])), "{unknown:?}");
        }
        // The tag is asked first, and alone.
        let both = headers(&[("if-none-match", "\"x\""), ("if-modified-since", DAY)]);
        assert!(!kept.is_known(&both));
    }

    #[test]
    fn a_part_is_served_only_of_the_same_version() {
        let strong = kept(&[("etag", "\"a\""), ("last-modified", DAY)]);
        let weak = kept(&[("etag", "W/\"a\"")]);
        assert!(strong.lets_part(&headers(&[])));
        assert!(strong.lets_part(&headers(&[("if-range", "\"a\"")])));
        assert!(strong.lets_part(&headers(&[("if-range", DAY)])));
        assert!(!strong.lets_part(&headers(&[("if-range", "\"b\"")])));
        assert!(!strong.lets_part(&headers(&[("if-range", "Sun, 06 Nov 1994 08:49:38 GMT")])));
        assert!(!weak.lets_part(&headers(&[("if-range", "W/\"a\"")])));
        assert!(!weak.lets_part(&headers(&[("if-range", DAY)])));
        let long_after = Validators {
            date_ms: 784_111_777_000 + 3_600_000,
            ..strong.clone()
        };
        assert!(long_after.lets_part(&headers(&[("if-range", DAY)])));
        assert!(!long_after.lets_part(&headers(&[("if-range", "Sun, 06 Nov 1994 08:49:38 GMT")])));
        let young = Validators {
            date_ms: 784_111_777_000,
            ..strong
        };
        assert!(!young.lets_part(&headers(&[("if-range", DAY)])));
    }

    #[test]
    fn the_origin_is_asked_by_all_that_it_has_told_and_that_makes_sense() {
        let both = kept(&[("etag", "W/\"a\""), ("last-modified", DAY)]);
        let expected = headers(&[("if-none-match", "W/\"a\""), ("if-modified-since", DAY)]);
        assert_eq!(both.conditions(), expected);
        for nonsense in [("etag", "a"), ("etag", "\"a"), ("last-modified", "soon")] {
            assert!(kept(&[nonsense]).is_empty(), "{nonsense:?}");
        }
    }

    #[test]
    fn a_304_speaks_of_the_version_it_names() {
        let kept = kept(&[("etag", "\"a\""), ("last-modified", DAY)]);
        assert!(kept.is_meant(&headers(&[("etag", "\"a\"")])));
        assert!(kept.is_meant(&headers(&[])));
        assert!(!kept.is_meant(&headers(&[("etag", "\"b\"")])));
        assert!(!kept.is_meant(&headers(&[(
            "last-modified",
            "Sun, 06 Nov 1994 08:49:38 GMT"
        )])));
    }
}
