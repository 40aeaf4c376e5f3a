//! The tags that an origin gives an answer, by which it can be purged.

use http::{HeaderMap, HeaderName};
use pingora::http::ResponseHeader;

use super::url::Url;
use crate::cache::epochs::{self, Slot};

/// Tags with commas between.
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// Tags with spaces between.
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Tags that an answer may have. One with more is not kept: a purge of a tag
/// that was left out would not reach it.
const MAX_TAGS: usize = 128;

/// The slots of an answer's tags and of its URL; `None` when there are too
/// many.
pub fn slots(url: &Url, headers: &HeaderMap) -> Option<Box<[Slot]>> {
    let mut slots = vec![url.slot()];
    for (name, between) in [(CACHE_TAG, ','), (SURROGATE_KEY, ' ')] {
        for line in headers.get_all(name) {
            let line = String::from_utf8_lossy(line.as_bytes());
            let tags = line
                .split(between)
                .map(str::trim)
                .filter(|tag| !tag.is_empty());
            slots.extend(tags.map(epochs::slot));
        }
    }
    (slots.len() <= MAX_TAGS + 1).then(|| slots.into())
}

/// Takes the tags out of an answer: they are between the origin and us.
pub fn hide(answer: &mut ResponseHeader) {
    answer.remove_header(&CACHE_TAG);
    answer.remove_header(&SURROGATE_KEY);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn both_headers_name_tags_and_the_url_is_one_too() {
        let mut request = pingora::http::RequestHeader::build("GET", b"/a", None).unwrap();
        request.insert_header("host", "x").unwrap();
        let url = Url::of(&request, false).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(CACHE_TAG, HeaderValue::from_static("a b, c"));
        headers.append(CACHE_TAG, HeaderValue::from_static("d,,"));
        headers.append(SURROGATE_KEY, HeaderValue::from_static("e  f"));
        let tags = ["url:x/a", "a b", "c", "d", "e", "f"];
        let expected: Vec<Slot> = tags.into_iter().map(epochs::slot).collect();
        assert_eq!(slots(&url, &headers).unwrap().to_vec(), expected);
        headers.append(
            SURROGATE_KEY,
            HeaderValue::from_str(&"x ".repeat(200)).unwrap(),
        );
        assert_eq!(slots(&url, &headers), None);
    }
}
