//! Which requests an answer is for, besides its URL.
//! <https://www.rfc-editor.org/rfc/rfc9111#section-4.1>

use std::fmt;

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE, VARY},
};

use crate::headers;

/// Headers that an answer may vary with. One that varies with more is not kept.
const MAX_FIELDS: usize = 16;
/// Headers that are lists by their own definition (RFC 9110, section 12.5):
/// how many lines they take has no meaning, nor have spaces around commas.
const LISTS: [HeaderName; 4] = [ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE];
/// Stands in no header.
const END_OF_LINE: u8 = 0;

/// The headers of the request that brought an answer, as far as the answer
/// varies with them. They may be secret, so `Debug` tells only their names.
#[derive(Clone, PartialEq, Eq)]
pub struct Vary(Box<[Field]>);

#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    value: Option<Box<[u8]>>,
}

impl fmt::Debug for Vary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|field| &field.name))
            .finish()
    }
}

impl Vary {
    /// Reads an answer's `Vary` and what it names from the request; `None`
    /// when no other request can be like this one. What we say in the caller's
    /// place is another for each; what callers cannot say tells nobody apart.
    pub fn of(answer: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let mut fields: Vec<Field> = Vec::new();
        for line in answer.get_all(VARY) {
            for name in line.to_str().ok()?.split(',').map(str::trim) {
                if name.is_empty() {
                    continue;
                }
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                if name == "*" || headers::is_written(&name) || fields.len() >= MAX_FIELDS {
                    return None;
                }
                if headers::is_kept_from_origins(&name) {
                    continue; // the scheme, which the URL tells too, or nothing
                }
                if !fields.iter().any(|field| field.name == name) {
                    let value = normalized(request, &name);
                    fields.push(Field { name, value });
                }
            }
        }
        Some(Self(fields.into()))
    }

    /// Whether a request is like the one that brought the answer.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0
            .iter()
            .all(|field| field.value == normalized(request, &field.name))
    }

    /// What tells requests apart that get different answers.
    pub fn variant(&self, request: &HeaderMap) -> Variant {
        let mut bytes = Vec::new();
        for field in &self.0 {
            bytes.extend_from_slice(field.name.as_str().as_bytes());
            if let Some(value) = normalized(request, &field.name) {
                bytes.push(b':');
                bytes.extend_from_slice(&value);
            }
            bytes.push(b'\n'); // nor does this
        }
        Variant(bytes.into())
    }

    /// Its bytes in memory.
    pub fn weight(&self) -> usize {
        let values = self.0.iter().filter_map(|field| field.value.as_ref());
        self.0.len() * size_of::<Field>() + values.map(|value| value.len()).sum::<usize>()
    }
}

/// The headers of a request that an answer varies with, in one piece.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Variant(Box<[u8]>);

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variant")
    }
}

/// A header as it compares: what the origin is asked, byte by byte and line by
/// line, unless the header says of itself that these have no meaning.
fn normalized(headers: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    if LISTS.contains(name) {
        return normalized_list(headers, name);
    }
    // Several are sent as one (RFC 9113, section 8.2.3).
    let between: &[u8] = if *name == COOKIE {
        b"; "
    } else {
        &[END_OF_LINE]
    };
    joined(headers, name, between).map(Into::into)
}

/// A list: without spaces around commas; in lower case, and for encodings in
/// order, where the standard says that neither has a meaning.
fn normalized_list(headers: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    let mut joined = joined(headers, name, b",")?;
    if joined.contains(&b'"') {
        return Some(joined.into()); // a comma may be part of a value
    }
    if *name != ACCEPT {
        joined.make_ascii_lowercase();
    }
    let mut members: Vec<&[u8]> = joined
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
        .collect();
    if *name == ACCEPT_ENCODING {
        members.sort_unstable();
    }
    Some(members.join(&b","[..]).into())
}

fn joined(headers: &HeaderMap, name: &HeaderName, between: &[u8]) -> Option<Vec<u8>> {
    let mut lines = headers.get_all(name).iter();
    let mut joined = lines.next()?.as_bytes().to_vec();
    for line in lines {
        joined.extend_from_slice(between);
        joined.extend_from_slice(line.as_bytes());
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn requests_that_say_the_same_otherwise_match() {
        let vary = headers(&[
            ("vary", "Accept-Encoding, accept-language"),
            ("vary", "accept"),
        ]);
        let first = headers(&[
            ("accept-encoding", "gzip, br"),
            ("accept-language", "de,en"),
            ("accept", "a/b, c/d"),
        ]);
        let vary = Vary::of(&vary, &first).unwrap();
        assert!(vary.matches(&first));
        assert!(vary.matches(&headers(&[
            ("accept-encoding", "BR"),
            ("accept-encoding", "gzip"),
            ("accept-language", "de ,EN"),
            ("accept", "a/b"),
            ("accept", "c/d"),
            ("cookie", "any"),
        ])));
        for other in [
            headers(&[
                ("accept-encoding", "gzip"),
                ("accept-language", "de,en"),
                ("accept", "a/b,c/d"),
            ]),
            headers(&[
                ("accept-encoding", "gzip,br"),
                ("accept-language", "en,de"),
                ("accept", "a/b,c/d"),
            ]),
            headers(&[("accept-encoding", "gzip,br"), ("accept-language", "de,en")]),
        ] {
            assert!(!vary.matches(&other), "{other:?}");
            assert_ne!(vary.variant(&other), vary.variant(&first));
        }
    }

    #[test]
    fn what_is_no_list_is_compared_byte_by_byte_and_line_by_line() {
        for name in ["cookie", "user-agent", "origin", "x-a"] {
            let first = headers(&[(name, "lang=de,a")]);
            let vary = Vary::of(&headers(&[("vary", name)]), &first).unwrap();
            assert!(vary.matches(&first));
            for value in [
                ",lang=de,a",
                "lang=de, a",
                "lang=de,,a",
                "lang=de,a ",
                "lang=DE,a",
            ] {
                let other = headers(&[(name, value)]);
                assert!(!vary.matches(&other), "{name}: {value}");
                assert_ne!(vary.variant(&other), vary.variant(&first));
            }
            let lines = headers(&[(name, "lang=de"), (name, "a")]);
            assert!(!vary.matches(&lines), "{name}");
            assert_ne!(vary.variant(&lines), vary.variant(&first));
        }
    }

    #[test]
    fn cookies_compare_as_they_are_sent() {
        let first = headers(&[("cookie", "a=1; b=2")]);
        let vary = Vary::of(&headers(&[("vary", "cookie")]), &first).unwrap();
        assert!(vary.matches(&headers(&[("cookie", "a=1"), ("cookie", "b=2")])));
        assert!(!vary.matches(&headers(&[("cookie", "a=1,b=2")])));
    }

    #[test]
    fn an_absent_header_matches_only_an_absent_one() {
        let none = HeaderMap::new();
        let vary = Vary::of(&headers(&[("vary", "x-a")]), &none).unwrap();
        assert!(vary.matches(&none));
        assert!(!vary.matches(&headers(&[("x-a", "")])));
    }

    #[test]
    fn what_varies_with_everything_or_with_nonsense_is_like_nothing() {
        let none = HeaderMap::new();
        for vary in [
            "*",
            "accept, *",
            "a b",
            "accept, X-Forwarded-For",
            "traceparent",
        ] {
            assert!(
                Vary::of(&headers(&[("vary", vary)]), &none).is_none(),
                "{vary}"
            );
        }
    }

    #[test]
    fn what_the_origin_does_not_hear_tells_no_requests_apart() {
        let vary = headers(&[("vary", "x-forwarded-proto, x-forwarded-host")]);
        let vary = Vary::of(&vary, &HeaderMap::new()).unwrap();
        let other = headers(&[("x-forwarded-proto", "gopher")]);
        assert!(vary.matches(&other));
    }

    #[test]
    fn what_may_have_a_meaning_is_compared_as_it_is() {
        let first = headers(&[("x-a", "a")]);
        let vary = Vary::of(&headers(&[("vary", "x-a")]), &first).unwrap();
        assert!(!vary.matches(&headers(&[("x-a", "A")])));
    }

    #[test]
    fn what_varies_with_more_than_is_compared_is_like_nothing() {
        let names = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("x-{n}")).collect();
            let value = HeaderValue::from_str(&names.join(",")).unwrap();
            HeaderMap::from_iter([(VARY, value)])
        };
        let none = HeaderMap::new();
        assert!(Vary::of(&names(MAX_FIELDS), &none).is_some());
        assert!(Vary::of(&names(MAX_FIELDS + 1), &none).is_none());
    }

    #[test]
    fn quoted_commas_part_nothing() {
        let first = headers(&[("accept", "\"a, b\"")]);
        let vary = Vary::of(&headers(&[("vary", "accept")]), &first).unwrap();
        assert!(!vary.matches(&headers(&[("accept", "\"a,b\"")])));
    }

    #[test]
    fn secrets_are_not_told() {
        let first = headers(&[("cookie", "session=secret")]);
        let vary = Vary::of(&headers(&[("vary", "cookie")]), &first).unwrap();
        assert!(!format!("{vary:?}").contains("secret"));
    }
}
