//! One example each for what the property does not ask.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use svc_kit::clock::Clock;
use tempfile::TempDir;

use super::messages::url;
use crate::{
    cache::{Cache, folder::Folder},
    http_cache::{
        directives::Wanted,
        entry::Entry,
        pages::{Asked, Found, Freshened, Pages},
    },
};

fn pages(max_bytes: u64) -> Pages {
    let clock = Clock::manual(Clock::system().now());
    Pages::new(Arc::new(Cache::new(max_bytes, clock)))
}

/// A request with this value of `x-n`.
fn request(n: usize) -> HeaderMap {
    let mut request = HeaderMap::new();
    request.insert("x-n", HeaderValue::from(n));
    request
}

fn ask(pages: &Pages, n: usize) -> Asked {
    Asked {
        url: url(0),
        request: request(n),
        epoch: pages.cache().epochs().now(),
        asked_ms: pages.cache().now_ms(),
    }
}

fn answer(status: u16, lines: &[(&'static str, &str)]) -> ResponseHeader {
    let mut answer = ResponseHeader::build(status, None).unwrap();
    for (name, value) in lines {
        answer.append_header(*name, *value).unwrap();
    }
    answer
}

/// Takes an answer in; what is kept of it.
fn keep(pages: &Pages, n: usize, lines: &[(&'static str, &str)], body: &Bytes) -> Option<Entry> {
    let asked = ask(pages, n);
    let head = pages.admit(&asked, &answer(200, lines)).unwrap()?;
    let entry = Pages::entry(&head, body.clone()).unwrap();
    pages.keep(&asked, entry.clone()).then_some(entry)
}

fn is_fresh(pages: &Pages, n: usize) -> bool {
    let found = pages.find(&url(0), &request(n), &Wanted::default());
    matches!(found, Found::Fresh(_))
}

const BODY: Bytes = Bytes::from_static(b"body");

#[test]
fn what_speaks_of_a_connection_is_not_kept() {
    let lines = [
        ("cache-control", "max-age=60"),
        ("connection", "x-hop, x-other"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("x-page", "1"),
    ];
    let entry = keep(&pages(1 << 20), 0, &lines, &BODY).unwrap();
    let headers = &entry.head.answer.headers;
    for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert!(headers.contains_key("x-page"));
}

#[test]
fn a_304_leaves_what_is_said_of_the_body_and_begins_a_new_age() {
    let pages = pages(1 << 20);
    let lines = [
        ("cache-control", "max-age=60"),
        ("etag", "\"v1\""),
        ("content-type", "text/plain"),
        ("age", "500"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    let kept = keep(&pages, 0, &lines, &BODY).unwrap();
    assert!(!is_fresh(&pages, 0), "it is old");
    let not_modified = answer(
        304,
        &[
            ("etag", "\"v1\""),
            ("content-type", "text/html"),
            ("content-length", "99"),
            ("content-encoding", "gzip"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("x-version", "2"),
        ],
    );
    let freshened = pages.freshen(&ask(&pages, 0), &kept, &not_modified);
    let Freshened::Good(entry, true) = freshened.unwrap() else {
        panic!("it is kept on");
    };
    let header = |name| entry.head.answer.headers.get(name);
    assert_eq!(header("content-type").unwrap(), "text/plain");
    assert_eq!(header("content-length").unwrap(), "4");
    assert_eq!(header("content-encoding"), None);
    assert_eq!(header("x-hop"), None);
    assert_eq!(header("x-version").unwrap(), "2");
    assert!(is_fresh(&pages, 0), "neither age nor date are the old ones");
}

#[test]
fn what_was_asked_for_before_a_purge_is_not_kept_after_it() {
    let pages = pages(1 << 20);
    let answer = answer(200, &[("cache-control", "max-age=60")]);
    let asked = ask(&pages, 0);
    let head = pages.admit(&asked, &answer).unwrap().unwrap();
    pages.cache().purge(&url(0).tag());
    let entry = Pages::entry(&head, BODY).unwrap();
    assert!(!pages.keep(&asked, entry), "it came before the purge");
    assert!(pages.admit(&asked, &answer).unwrap().is_none(), "or after");
}

#[test]
fn what_can_neither_be_used_nor_asked_about_is_not_kept() {
    let pages = pages(1 << 20);
    let stale = ("cache-control", "max-age=0");
    assert!(keep(&pages, 0, &[stale], &BODY).is_none());
    assert!(keep(&pages, 0, &[stale, ("etag", "\"v1\"")], &BODY).is_some());
}

#[test]
fn what_has_more_tags_than_are_purged_is_not_kept() {
    let tags = |count: usize| {
        let tags: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        tags.join(",")
    };
    let pages = pages(1 << 20);
    for (count, kept) in [(128, true), (129, false)] {
        let tags = tags(count);
        let lines = [("cache-control", "max-age=60"), ("cache-tag", &tags)];
        assert_eq!(keep(&pages, 0, &lines, &BODY).is_some(), kept, "{count}");
    }
}

#[test]
fn an_answer_for_one_alone_takes_its_forerunner_along_and_a_failure_does_not() {
    let pages = pages(1 << 20);
    keep(&pages, 0, &[("cache-control", "max-age=60")], &BODY).unwrap();
    pages.not_shared(&ask(&pages, 0), StatusCode::SERVICE_UNAVAILABLE);
    assert!(is_fresh(&pages, 0));
    pages.not_shared(&ask(&pages, 0), StatusCode::OK);
    assert!(!is_fresh(&pages, 0));
}

/// A question of somebody who says who he is.
fn ask_authorized(pages: &Pages, n: usize) -> Asked {
    let mut asked = ask(pages, n);
    asked
        .request
        .insert("authorization", HeaderValue::from_static("Basic x"));
    asked
}

#[test]
fn nobody_takes_a_page_from_all_by_what_he_asks() {
    let pages = pages(1 << 20);
    let lines = [("cache-control", "max-age=60"), ("etag", "\"v1\"")];
    let kept = keep(&pages, 0, &lines, &BODY).unwrap();
    for status in [400, 401, 403, 405, 414, 431, 451] {
        let status = StatusCode::from_u16(status).unwrap();
        pages.not_shared(&ask(&pages, 0), status);
        assert!(is_fresh(&pages, 0), "{status}");
    }
    let authorized = ask_authorized(&pages, 0);
    pages.not_shared(&authorized, StatusCode::OK);
    let not_modified = answer(304, &lines);
    let freshened = pages.freshen(&authorized, &kept, &not_modified).unwrap();
    assert!(matches!(freshened, Freshened::Good(_, false)));
    assert!(is_fresh(&pages, 0));
}

#[test]
fn what_is_gone_for_all_is_not_kept_on() {
    for status in [200, 302, 404, 410] {
        let pages = pages(1 << 20);
        keep(&pages, 0, &[("cache-control", "max-age=60")], &BODY).unwrap();
        pages.not_shared(&ask(&pages, 0), StatusCode::from_u16(status).unwrap());
        assert!(!is_fresh(&pages, 0), "{status}");
    }
}

#[test]
fn of_two_answers_the_one_that_was_asked_for_last_is_served() {
    let clock = Clock::manual(Clock::system().now());
    let pages = Pages::new(Arc::new(Cache::new(1 << 20, clock.clone())));
    let older = ask(&pages, 1);
    clock.advance(Duration::from_secs(1));
    let varies = [("cache-control", "max-age=60"), ("vary", "x-n")];
    let newer = keep(&pages, 0, &varies, &Bytes::from_static(b"newer"));
    // It comes last, and is for everybody.
    let answer = answer(200, &[("cache-control", "max-age=60")]);
    let head = pages.admit(&older, &answer).unwrap().unwrap();
    assert!(pages.keep(&older, Pages::entry(&head, BODY).unwrap()));
    for (n, body) in [(0, newer.unwrap().body.bytes().unwrap()), (1, BODY)] {
        let found = pages.find(&url(0), &request(n), &Wanted::default());
        assert!(matches!(found, Found::Fresh(entry) if entry.body.bytes().unwrap() == body));
    }
}

#[test]
fn the_variants_of_a_page_are_bounded_in_number_and_in_bytes() {
    let lines = [("cache-control", "max-age=60"), ("vary", "x-n")];
    let many = pages(1 << 20);
    for n in 0..33 {
        keep(&many, n, &lines, &BODY).unwrap();
    }
    assert!(!is_fresh(&many, 0) && is_fresh(&many, 1) && is_fresh(&many, 32));
    // An entry may take a sixteenth.
    let large = pages(16 * 10_000);
    for n in 0..3 {
        keep(&large, n, &lines, &Bytes::from(vec![0; 4000])).unwrap();
    }
    assert!(!is_fresh(&large, 0) && is_fresh(&large, 1) && is_fresh(&large, 2));
    assert!(keep(&large, 3, &lines, &Bytes::from(vec![0; 10_000])).is_none());
}

/// Pages with a disk of so many bytes.
fn pages_on(dir: &TempDir, max_bytes: u64) -> Pages {
    let folder = Folder::create(dir.path(), max_bytes).unwrap();
    let cache = Cache::with_folder(16 << 20, folder, Clock::system()).unwrap();
    Pages::new(Arc::new(cache))
}

const LARGE: Bytes = Bytes::from_static(&[7; 100_000]);
const FOR_A_MINUTE: [(&str, &str); 1] = [("cache-control", "max-age=60")];

/// The bytes of a page that are in memory, if it is there.
fn in_memory(pages: &Pages, n: usize) -> Option<usize> {
    match pages.find(&url(n), &request(0), &Wanted::default()) {
        Found::Fresh(entry) => {
            assert_eq!(entry.body.bytes().unwrap(), LARGE);
            Some(entry.body.memory_bytes())
        }
        _ => None,
    }
}

#[test]
fn a_page_that_memory_lets_go_of_is_on_disk_and_comes_back_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let pages = pages_on(&dir, 1 << 20);
    keep(&pages, 0, &FOR_A_MINUTE, &LARGE).unwrap();
    assert_eq!(in_memory(&pages, 0), Some(LARGE.len()));
    pages.cache().settle();
    pages.cache().forget_memory();
    assert_eq!(in_memory(&pages, 0), Some(0));
    assert_eq!(pages.cache().disk_size(), Some((102_400, 1)));
    pages.cache().load_page(&url(0));
    pages.cache().settle();
    assert_eq!(in_memory(&pages, 0), Some(LARGE.len()));
}

#[test]
fn a_full_disk_takes_in_what_is_asked_for_more() {
    let dir = tempfile::tempdir().unwrap();
    let pages = pages_on(&dir, 400_000);
    let last = 10;
    for n in 0..=last {
        for _ in 0..n {
            in_memory(&pages, n);
        }
        let asked = Asked {
            url: url(n),
            ..ask(&pages, 0)
        };
        let head = pages.admit(&asked, &answer(200, &FOR_A_MINUTE)).unwrap();
        let entry = Pages::entry(&head.unwrap(), LARGE).unwrap();
        assert!(pages.keep(&asked, entry));
        // Memory has all of them, which must not keep their files.
        pages.cache().settle();
    }
    pages.cache().forget_memory();
    let on_disk: Vec<_> = (0..=last)
        .filter(|n| in_memory(&pages, *n) == Some(0))
        .collect();
    assert_eq!(on_disk.len(), 3, "{on_disk:?}");
    assert!(on_disk.iter().all(|n| *n > 2), "{on_disk:?}");
}

#[test]
fn a_file_goes_with_its_page_whoever_has_that_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let pages = pages_on(&dir, 1 << 20);
    let kept = keep(&pages, 0, &FOR_A_MINUTE, &LARGE).unwrap();
    pages.cache().settle();
    assert!(kept.body.stored().is_some());
    pages.cache().purge_all();
    pages.cache().settle();
    assert!(kept.body.stored().is_none());
    assert_eq!(kept.body.bytes().unwrap(), LARGE);
}
