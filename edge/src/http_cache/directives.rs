//! What `Cache-Control` says, in requests and in answers, and what
//! `CDN-Cache-Control` says instead.
//! <https://www.rfc-editor.org/rfc/rfc9111#section-5.2>,
//! <https://www.rfc-editor.org/rfc/rfc9213>,
//! <https://www.rfc-editor.org/rfc/rfc5861>
//!
//! Where a directive makes no sense, or contradicts itself, it is read in the
//! way that lets the cache do less.

use http::{HeaderMap, HeaderName, HeaderValue, header::CACHE_CONTROL};
use sfv::{BareItem, ListEntry, Parser};

/// What is told to caches of this kind alone.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// Longer times count as this long (RFC 9111, section 1.2.2).
pub const MAX_SECONDS: u64 = 1 << 31;

/// What an answer allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive")]
pub struct Allowed {
    /// It must not be kept.
    pub no_store: bool,
    /// It must not be kept by a cache that many share.
    pub private: bool,
    /// It may be kept where that is not the rule.
    pub public: bool,
    /// It must not be used before the origin was asked.
    pub no_cache: bool,
    /// It must not be used once it is stale.
    pub must_revalidate: bool,
    /// So, for caches that many share.
    pub proxy_revalidate: bool,
    /// It must not be kept by who does not understand its status.
    pub must_understand: bool,
    /// Seconds for which it is fresh.
    pub max_age: Option<u64>,
    /// So, for caches that many share.
    pub s_maxage: Option<u64>,
    /// Seconds after that in which it may be used while it is fetched anew.
    pub stale_while_revalidate: Option<u64>,
    /// Seconds after that in which it may be used when the origin fails.
    pub stale_if_error: Option<u64>,
    /// The targeted field said it: then `Expires` counts as little as
    /// `Cache-Control`.
    pub targeted: bool,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Nothing that the origin was not asked about.
    pub no_cache: bool,
    /// That nothing of it is kept.
    pub no_store: bool,
    /// That the origin is left alone.
    pub only_if_cached: bool,
    /// Seconds that an answer may be old.
    pub max_age: Option<u64>,
    /// Seconds for which it must still be fresh.
    pub min_fresh: Option<u64>,
    /// Seconds for which it may be stale.
    pub max_stale: Option<u64>,
    /// So, when the origin fails.
    pub stale_if_error: Option<u64>,
}

impl Allowed {
    /// Reads an answer's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        if let Some(targeted) = Self::targeted(headers) {
            return targeted;
        }
        let mut allowed = Self::default();
        each_of(headers, |name, value| allowed.take(name, value));
        allowed
    }

    /// What the targeted field says, when it is there, whole and not empty.
    fn targeted(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(CDN_CACHE_CONTROL).iter();
        let mut joined = lines.next()?.as_bytes().to_vec();
        for line in lines {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(line.as_bytes());
        }
        let members = Parser::parse_dictionary(&joined).ok()?;
        if members.is_empty() {
            return None;
        }
        let mut allowed = Self {
            targeted: true,
            ..Self::default()
        };
        for (name, member) in &members {
            let ListEntry::Item(item) = member else {
                continue;
            };
            match &item.bare_item {
                BareItem::Boolean(true) => allowed.take(name, None),
                BareItem::Boolean(false) => {}
                BareItem::Integer(seconds) => allowed.take(name, Some(&seconds.to_string())),
                // Another type than it has: for a time that is none.
                _ => allowed.take(name, Some("")),
            }
        }
        Some(allowed)
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        // A time that is none, or two that differ: stale (section 4.2.1).
        let fresh = |known: Option<u64>| {
            let seconds = value.and_then(seconds).unwrap_or(0);
            Some(if known.is_some_and(|known| known != seconds) {
                0
            } else {
                seconds
            })
        };
        // Leave to serve stale: what makes no sense gives none.
        let stale = |known: Option<u64>| {
            let seconds = value.and_then(seconds).unwrap_or(0);
            Some(known.map_or(seconds, |known| known.min(seconds)))
        };
        match name {
            "no-store" => self.no_store = true,
            // Those that name fields are read as if they named none.
            "private" => self.private = true,
            "no-cache" => self.no_cache = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "max-age" => self.max_age = fresh(self.max_age),
            "s-maxage" => self.s_maxage = fresh(self.s_maxage),
            "stale-while-revalidate" => {
                self.stale_while_revalidate = stale(self.stale_while_revalidate);
            }
            "stale-if-error" => self.stale_if_error = stale(self.stale_if_error),
            _ => {}
        }
    }

    /// Whether it must not be used stale, whatever else is said (section
    /// 4.2.4). `s-maxage` says so, too (section 5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.no_cache || self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }
}

impl Wanted {
    /// Reads a request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        each_of(headers, |name, value| wanted.take(name, value));
        wanted
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        let at_most = |known: Option<u64>, missing: u64| {
            let seconds = match value {
                None => missing,
                Some(value) => seconds(value).unwrap_or(0),
            };
            Some(known.map_or(seconds, |known| known.min(seconds)))
        };
        match name {
            "no-cache" => self.no_cache = true,
            "no-store" => self.no_store = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = at_most(self.max_age, 0),
            "max-stale" => self.max_stale = at_most(self.max_stale, MAX_SECONDS),
            "stale-if-error" => self.stale_if_error = at_most(self.stale_if_error, 0),
            "min-fresh" => {
                let seconds = value.and_then(seconds).unwrap_or(MAX_SECONDS);
                self.min_fresh = Some(self.min_fresh.map_or(seconds, |known| known.max(seconds)));
            }
            _ => {}
        }
    }
}

/// Seconds; too many become [`MAX_SECONDS`].
pub fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| {
        text.parse()
            .map_or(MAX_SECONDS, |n: u64| n.min(MAX_SECONDS))
    })
}

/// Goes through all directives of all fields, names in lower case.
fn each_of(headers: &HeaderMap, mut take: impl FnMut(&str, Option<&str>)) {
    for line in headers.get_all(CACHE_CONTROL) {
        for member in members(line) {
            let (name, value) = match member.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (member.trim(), None),
            };
            // Both forms are to be read, whichever a directive has.
            let value = value.map(|value| {
                value
                    .strip_prefix('"')
                    .and_then(|value| value.strip_suffix('"'))
                    .unwrap_or(value)
            });
            take(&name.to_ascii_lowercase(), value);
        }
    }
}

/// The members of a list. A comma within quotes parts nothing; a quote that
/// does not end is none, so that it cannot hide what follows it.
fn members(line: &HeaderValue) -> Vec<String> {
    let text = String::from_utf8_lossy(line.as_bytes());
    let mut members = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_quote(bytes, at).unwrap_or(at),
            b',' => {
                members.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    members.push(text[start..].trim().to_owned());
    members.retain(|member| !member.is_empty());
    members
}

/// Where the quoted string that begins at `start` has its last quote.
fn end_of_quote(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn allowed(value: &'static str) -> Allowed {
        Allowed::of(&headers(&[("cache-control", value)]))
    }

    fn wanted(value: &'static str) -> Wanted {
        Wanted::of(&headers(&[("cache-control", value)]))
    }

    #[test]
    fn names_are_read_in_any_case_and_values_in_both_forms() {
        let read = allowed("Max-Age=\"60\" , S-MAXAGE = 30,, PUBLIC,unknown=\"a, no-store, b\"");
        assert_eq!((read.max_age, read.s_maxage), (Some(60), Some(30)));
        assert!(read.public && !read.no_store);
    }

    #[test]
    fn a_quote_that_does_not_end_hides_nothing() {
        assert!(allowed("foo=\"bar, no-store").no_store);
        assert!(allowed("private=\"x-a, x-b\"").private);
        assert!(allowed("no-cache=\"set-cookie\"").no_cache);
    }

    #[test]
    fn a_time_that_is_none_is_no_time() {
        for none in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
        ] {
            assert_eq!(allowed(none).max_age, Some(0), "{none}");
        }
        assert_eq!(allowed("stale-if-error=x").stale_if_error, Some(0));
    }

    #[test]
    fn a_time_too_long_to_count_is_the_longest() {
        assert_eq!(allowed("max-age=2147483649").max_age, Some(MAX_SECONDS));
        let huge = "max-age=99999999999999999999999999";
        assert_eq!(allowed(huge).max_age, Some(MAX_SECONDS));
    }

    #[test]
    fn two_times_that_differ_are_none_and_fields_of_one_name_are_one() {
        assert_eq!(allowed("max-age=60, max-age=60").max_age, Some(60));
        assert_eq!(allowed("max-age=60, max-age=5").max_age, Some(0));
        let split = headers(&[
            ("cache-control", "max-age=9"),
            ("cache-control", "no-store"),
        ]);
        let read = Allowed::of(&split);
        assert!(read.no_store && read.max_age == Some(9));
    }

    #[test]
    fn of_two_leaves_and_of_two_wishes_the_stricter_counts() {
        let read = allowed("stale-while-revalidate=60, stale-while-revalidate=5");
        assert_eq!(read.stale_while_revalidate, Some(5));
        let read = allowed("stale-if-error=5, stale-if-error=60");
        assert_eq!(read.stale_if_error, Some(5));
        assert_eq!(wanted("max-age=5, max-age=60").max_age, Some(5));
        assert_eq!(wanted("max-stale=60, max-stale=5").max_stale, Some(5));
        assert_eq!(wanted("min-fresh=60, min-fresh=5").min_fresh, Some(60));
    }

    #[test]
    fn a_request_s_wishes_are_read() {
        let read = wanted("no-cache, no-store, only-if-cached, max-age=5, min-fresh=6");
        assert!(read.no_cache && read.no_store && read.only_if_cached);
        assert_eq!((read.max_age, read.min_fresh), (Some(5), Some(6)));
        assert_eq!(wanted("max-stale").max_stale, Some(MAX_SECONDS));
        assert_eq!(wanted("max-stale=7").max_stale, Some(7));
        assert_eq!(wanted("max-stale=x").max_stale, Some(0));
        assert_eq!(wanted("max-age=x").max_age, Some(0));
        assert_eq!(wanted("min-fresh=x").min_fresh, Some(MAX_SECONDS));
    }

    #[test]
    fn what_is_told_to_cdns_wins_when_it_is_well_formed() {
        let read = |cdn| {
            Allowed::of(&headers(&[
                ("cache-control", "no-store"),
                ("cdn-cache-control", cdn),
            ]))
        };
        let targeted = read("max-age=600, stale-while-revalidate=60;x=1");
        assert!(targeted.targeted && !targeted.no_store);
        assert_eq!(targeted.max_age, Some(600));
        assert_eq!(targeted.stale_while_revalidate, Some(60));
        assert!(read("private").private);
        // Not a structured field, or nothing in it: as if it were not there.
        for ignored in ["", "max-age=600,,", "max-age=\"", "MAX-AGE=1", "max-age="] {
            assert!(read(ignored).no_store, "{ignored}");
        }
        let split = headers(&[
            ("cdn-cache-control", "max-age=9"),
            ("cdn-cache-control", "no-store"),
        ]);
        assert!(Allowed::of(&split).no_store, "two lines are one field");
        // The wrong type.
        assert_eq!(read("max-age=1.5").max_age, Some(0));
        assert_eq!(read("max-age=-5").max_age, Some(0));
        assert!(!read("no-store=?0, max-age=1").no_store);
    }
}
