//! What is said, as it stands in messages.

use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};

use super::{
    TAGS,
    model::{Control, Fact, Says},
};
use crate::http_cache::{date, url::Url};

pub(super) fn url(url: usize) -> Url {
    let says = Says {
        url,
        ..Says::default()
    };
    request(&says).0
}

pub(super) fn path(url: usize) -> String {
    format!("/{url}")
}

pub(super) fn request(says: &Says) -> (Url, HeaderMap) {
    let mut request = RequestHeader::build("GET", path(says.url).as_bytes(), None).unwrap();
    request.insert_header("host", "shop.example").unwrap();
    if let Some(language) = says.language {
        request.insert_header("accept-language", language).unwrap();
    }
    if says.authorized {
        request.insert_header("authorization", "Basic x").unwrap();
    }
    let mut control = Vec::new();
    if says.no_cache {
        control.push("no-cache".to_owned());
    }
    for (name, seconds) in [
        ("max-age", says.max_age),
        ("min-fresh", says.min_fresh),
        ("max-stale", says.max_stale),
        ("stale-if-error", says.if_error),
    ] {
        control.extend(seconds.map(|seconds| format!("{name}={seconds}")));
    }
    request
        .insert_header("cache-control", control.join(", "))
        .unwrap();
    (Url::of(&request, true).unwrap(), request.headers.clone())
}

fn directives(control: &Control) -> String {
    let mut directives = vec!["unknown=1".to_owned()];
    for (name, holds) in [
        ("no-store", control.no_store),
        ("private", control.private),
        ("public", control.public),
        ("no-cache", control.no_cache),
        ("must-revalidate", control.must_revalidate),
        ("proxy-revalidate", control.proxy_revalidate),
        ("must-understand", control.must_understand),
    ] {
        directives.extend(holds.then(|| name.to_owned()));
    }
    for (name, seconds) in [
        ("max-age", control.max_age),
        ("s-maxage", control.s_maxage),
        ("stale-while-revalidate", control.while_revalidate),
        ("stale-if-error", control.if_error),
    ] {
        directives.extend(seconds.map(|seconds| format!("{name}={seconds}")));
    }
    directives.join(", ")
}

/// Where an answer or a 304 carries its number.
pub(super) const NUMBER: &str = "x-number";

/// An answer with a version of the page, or a 304 about it.
pub(super) fn answer(status: u16, fact: &Fact, version: usize, number: usize) -> ResponseHeader {
    let said = &fact.said;
    let status = StatusCode::from_u16(status).unwrap();
    let mut answer = ResponseHeader::build(status, None).unwrap();
    let mut put = |name: &'static str, value: Option<String>| {
        if let Some(value) = value {
            answer
                .insert_header(name, HeaderValue::from_str(&value).unwrap())
                .unwrap();
        }
    };
    put("cache-control", Some(directives(&said.control)));
    let targeted = said.targeted.as_ref().map(|(control, is_whole)| {
        let end = if *is_whole { "" } else { ",," };
        format!("{}{end}", directives(control))
    });
    put("cdn-cache-control", targeted);
    put("date", said.dated.map(|_| date::format(fact.date_ms)));
    put("expires", fact.expires_ms.map(date::format));
    put("last-modified", fact.modified_ms.map(date::format));
    put("age", said.age.map(|age| age.to_string()));
    put("vary", said.varies.then(|| "Accept-Language".to_owned()));
    put("set-cookie", said.cookie.then(|| "a=b".to_owned()));
    put("cache-tag", said.tag.map(|tag| TAGS[tag].to_owned()));
    put("etag", said.etag.then(|| format!("\"{version}\"")));
    put(NUMBER, Some(number.to_string()));
    answer
}
