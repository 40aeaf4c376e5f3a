//! What pages are kept under: scheme, host, path and query.

use std::fmt;

use bytes::Bytes;
use http::{
    Version,
    header::{HOST, HeaderMap},
};
use pingora::http::RequestHeader;

use crate::cache::{
    epochs::{self, Slot},
    url_tag,
};

/// A URL. Its query may hold a secret, so `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    /// Host in lower case, then path and query as they came.
    rest: Bytes,
    host_len: usize,
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.rest().split('?').next().unwrap_or_default();
        write!(f, "Url({path})")
    }
}

impl Url {
    /// The URL of a request; `None` when it is told in another form than as a
    /// host and a path.
    pub fn of(request: &RequestHeader, secure: bool) -> Option<Self> {
        let host = host(request)?;
        let path = std::str::from_utf8(request.raw_path()).ok()?;
        (path.starts_with('/') && request.raw_path_is_utf8()).then(|| Self::new(secure, host, path))
    }

    fn new(secure: bool, host: &str, path: &str) -> Self {
        let standard = if secure { ":443" } else { ":80" };
        let host = host.strip_suffix(standard).unwrap_or(host);
        let mut rest = Vec::with_capacity(host.len() + path.len());
        rest.extend_from_slice(host.as_bytes());
        rest.make_ascii_lowercase();
        rest.extend_from_slice(path.as_bytes());
        Self {
            secure,
            rest: rest.into(),
            host_len: host.len(),
        }
    }

    /// Where an answer's reference leads, when it stays with the same host.
    pub fn join(&self, reference: &str) -> Option<Self> {
        let scheme = if self.secure { "https:" } else { "http:" };
        let reference = reference.trim().split('#').next()?;
        let rest = reference.strip_prefix(scheme).unwrap_or(reference);
        let host = self.host();
        let path = if let Some(rest) = rest.strip_prefix("//") {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let other = Self::new(self.secure, &rest[..end], "");
            if other.rest() != host {
                return None;
            }
            let path = &rest[end..];
            if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            }
        } else if rest.starts_with('/') {
            rest.to_owned()
        } else {
            let own = self.rest()[self.host_len..].split('?').next()?;
            let is_relative = rest
                .split(['/', '?'])
                .next()
                .is_some_and(|first| !first.contains(':'));
            if !is_relative {
                return None; // another scheme
            }
            if rest.is_empty() || rest.starts_with('?') {
                format!("{own}{rest}")
            } else {
                let folder = &own[..=own.rfind('/')?];
                format!("{folder}{rest}")
            }
        };
        Some(Self::new(self.secure, host, &without_dots(&path)))
    }

    /// As people write it.
    pub fn text(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.rest())
    }

    /// Its host, with the port where that is not the scheme's own.
    pub fn host(&self) -> &str {
        &self.rest()[..self.host_len]
    }

    /// The slot of the tag that purges it.
    pub fn slot(&self) -> Slot {
        epochs::slot(&self.tag())
    }

    /// The tag that purges it, for both schemes.
    pub fn tag(&self) -> String {
        let (host, path) = self.rest().split_at(self.host_len);
        url_tag(host, path)
    }

    /// Its bytes in memory.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.rest.len()
    }

    fn rest(&self) -> &str {
        std::str::from_utf8(&self.rest).unwrap_or_default() // it is made of text
    }
}

/// The host that a request names, once.
fn host(request: &RequestHeader) -> Option<&str> {
    if request.version >= Version::HTTP_2
        && let Some(authority) = request.uri.authority()
    {
        return Some(authority.as_str());
    }
    one(&request.headers)
}

fn one(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().filter(|host| !host.is_empty()),
        _ => None,
    }
}

/// A path without its steps back.
/// <https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4>
fn without_dots(path: &str) -> String {
    let (path, query) = match path.find('?') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    let mut parts = Vec::new();
    let mut ends_in_folder = false;
    for part in path.split('/').skip(1) {
        ends_in_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if ends_in_folder {
        parts.push("");
    }
    format!("/{}{query}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &'static str, path: &str) -> Url {
        let mut request = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
        request.insert_header(HOST, host).unwrap();
        Url::of(&request, false).unwrap()
    }

    #[test]
    fn spellings_of_a_host_are_one_url_and_paths_are_not() {
        assert_eq!(url("Shop.Example:80", "/a?b"), url("shop.example", "/a?b"));
        assert_ne!(url("shop.example", "/A"), url("shop.example", "/a"));
        assert_ne!(url("shop.example", "/a?b"), url("shop.example", "/a?c"));
        assert_ne!(url("shop.example", "/a"), url("other.example", "/a"));
        let mut request = RequestHeader::build("GET", b"/a", None).unwrap();
        request.insert_header(HOST, "shop.example").unwrap();
        assert_ne!(Url::of(&request, true), Url::of(&request, false));
        assert_eq!(url("Shop.example", "/a?b").tag(), "url:shop.example/a?b");
        assert!(!format!("{:?}", url("x", "/a?token=secret")).contains("secret"));
    }

    #[test]
    fn a_reference_stays_with_its_host_or_leads_nowhere() {
        let base = url("shop.example", "/a/b?c");
        for (reference, leads) in [
            ("/x?y#z", "/x?y"),
            ("x", "/a/x"),
            ("", "/a/b"),
            ("?x", "/a/b?x"),
            ("../x?y=..", "/x?y=.."),
            ("./x/../y/.", "/a/y/"),
            ("../../../x", "/x"),
            ("x?a:b", "/a/x?a:b"),
            ("http://SHOP.example:80/x", "/x"),
            ("//shop.example/x", "/x"),
            ("http://shop.example", "/"),
        ] {
            assert_eq!(
                base.join(reference),
                Some(url("shop.example", leads)),
                "{reference}"
            );
        }
        for elsewhere in [
            "http://evil.example/x",
            "https://shop.example/x",
            "//evil/x",
        ] {
            assert_eq!(base.join(elsewhere), None, "{elsewhere}");
        }
    }
}
