//! Which requests an answer is for, besides its URL.
//! <https://www.rfc-editor.org/rfc/rfc9111#section-4.1>

use std::fmt;

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, VARY},
};

/// Headers that an answer may vary with. One that varies with more is not kept.
const MAX_FIELDS: usize = 16;

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
    /// when no other request can be like this one.
    pub fn of(answer: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let mut fields: Vec<Field> = Vec::new();
        for line in answer.get_all(VARY) {
            for name in line.to_str().ok()?.split(',').map(str::trim) {
                if name.is_empty() {
                    continue;
                }
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                if name == "*" || fields.len() >= MAX_FIELDS {
                    return None;
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
            bytes.push(b'\n'); // stands in no header
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

/// A header as it compares: its fields joined, without spaces around commas;
/// in lower case, and for encodings in order, where the standard says that
/// neither has a meaning.
fn normalized(headers: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    let mut lines = headers.get_all(name).iter();
    let mut joined = lines.next()?.as_bytes().to_vec();
    for line in lines {
        joined.push(b',');
        joined.extend_from_slice(line.as_bytes());
    }
    if joined.contains(&b'"') {
        return Some(joined.into()); // a comma may be part of a value
    }
    if [ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCEPT_CHARSET].contains(name) {
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
            ("vary", "x-a"),
        ]);
        let first = headers(&[
            ("accept-encoding", "gzip, br"),
            ("accept-language", "de,en"),
            ("x-a", "1, 2"),
        ]);
        let vary = Vary::of(&vary, &first).unwrap();
        assert!(vary.matches(&first));
        assert!(vary.matches(&headers(&[
            ("accept-encoding", "BR"),
            ("accept-encoding", "gzip"),
            ("accept-language", "de ,EN"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("cookie", "any"),
        ])));
        for other in [
            headers(&[
                ("accept-encoding", "gzip"),
                ("accept-language", "de,en"),
                ("x-a", "1,2"),
            ]),
            headers(&[
                ("accept-encoding", "gzip,br"),
                ("accept-language", "en,de"),
                ("x-a", "1,2"),
            ]),
            headers(&[("accept-encoding", "gzip,br"), ("accept-language", "de,en")]),
        ] {
            assert!(!vary.matches(&other), "{other:?}");
            assert_ne!(vary.variant(&other), vary.variant(&first));
        }
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
        for vary in ["*", "accept, *", "a b"] {
            assert!(
                Vary::of(&headers(&[("vary", vary)]), &none).is_none(),
                "{vary}"
            );
        }
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
        let first = headers(&[("x-a", "\"a, b\"")]);
        let vary = Vary::of(&headers(&[("vary", "x-a")]), &first).unwrap();
        assert!(!vary.matches(&headers(&[("x-a", "\"a,b\"")])));
    }

    #[test]
    fn secrets_are_not_told() {
        let first = headers(&[("cookie", "session=secret")]);
        let vary = Vary::of(&headers(&[("vary", "cookie")]), &first).unwrap();
        assert!(!format!("{vary:?}").contains("secret"));
    }
}
