//! What libraries say in the `log` crate's way, Pingora above all, as lines of
//! our own log. It may tell what callers sent: queries and tokens are masked,
//! and a flood is cut.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::metrics;

/// Records that are told in a second.
const MAX_PER_SECOND: u32 = 50;
/// The longest record that is told.
const MAX_CHARS: usize = 500;
/// What hides the rest of a word.
const MASK: &str = "***";
/// Words whose successor is a secret.
const BEFORE_SECRETS: [&str; 4] = ["bearer", "basic", "authorization:", "cookie:"];

struct ForeignLog(Mutex<Second>);

/// What was told in a second.
struct Second {
    began: Instant,
    told: u32,
}

impl Second {
    fn beginning(now: Instant) -> Self {
        Self {
            began: now,
            told: 0,
        }
    }

    /// Whether one record more may be told.
    fn has_room(&mut self, now: Instant) -> bool {
        if now.duration_since(self.began) >= Duration::from_secs(1) {
            *self = Self::beginning(now);
        }
        self.told += 1;
        self.told <= MAX_PER_SECOND
    }
}

/// From now on what libraries log is told. A second call does nothing.
pub fn install() {
    let logger = ForeignLog(Mutex::new(Second::beginning(Instant::now())));
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Log for ForeignLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = second.has_room(Instant::now());
        drop(second);
        if !has_room {
            metrics::log_dropped();
            return;
        }
        let (library, text) = (record.target(), masked(&record.args().to_string()));
        if record.level() == Level::Error {
            tracing::error!(target: "edge::library", library, "{text}");
        } else {
            tracing::warn!(target: "edge::library", library, "{text}");
        }
    }

    fn flush(&self) {}
}

/// A text without queries and tokens.
fn masked(text: &str) -> String {
    let mut told = String::with_capacity(text.len().min(MAX_CHARS));
    let mut hide = false;
    for word in text.split_whitespace() {
        if !told.is_empty() {
            told.push(' ');
        }
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != ':');
        let secret_follows = BEFORE_SECRETS
            .iter()
            .any(|before| bare.len() >= before.len() && ends_with(bare, before));
        if (hide && !secret_follows) || is_token(bare) {
            told.push_str(MASK);
        } else if let Some((path, _)) = word.split_once('?') {
            told.push_str(path);
            told.push('?');
            told.push_str(MASK);
        } else {
            told.push_str(word);
        }
        hide = secret_follows;
        if told.len() >= MAX_CHARS {
            break;
        }
    }
    if let Some((end, _)) = told.char_indices().nth(MAX_CHARS) {
        told.truncate(end);
    }
    told
}

fn ends_with(text: &str, end: &str) -> bool {
    text.get(text.len() - end.len()..)
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Whether a word is a JSON web token, wherever it stands.
fn is_token(word: &str) -> bool {
    word.contains("eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_until_the_next_second() {
        let now = Instant::now();
        let mut second = Second::beginning(now);
        let told = (0..1000).filter(|_| second.has_room(now)).count();
        assert_eq!(told, 50);
        assert!(second.has_room(now + Duration::from_secs(1)));
    }

    #[test]
    fn no_query_and_no_token_is_told() {
        for (said, told) in [
            (
                "Fail to proxy: GET /login?code=secret HTTP/1.1, peer 127.0.0.1:1",
                "Fail to proxy: GET /login?*** HTTP/1.1, peer 127.0.0.1:1",
            ),
            (
                "Authorization: Bearer secret rest",
                "Authorization: Bearer *** rest",
            ),
            ("\"authorization: secret\"", "\"authorization: ***"),
            ("Cookie: secret", "Cookie: ***"),
            ("token=eyJhbGciOi.e30.x!", "***"),
            ("bind() failed on 1.2.3.4:5", "bind() failed on 1.2.3.4:5"),
        ] {
            assert_eq!(masked(said), told);
        }
        assert_eq!(masked(&"ü".repeat(10_000)).chars().count(), MAX_CHARS);
    }
}
